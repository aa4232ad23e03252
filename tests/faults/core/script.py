# SPDX-License-Identifier: Apache-2.0
"""An ordinary user's script: a named run, some batches, results on stdout. It knows nothing of faults.

`python script.py BACKEND BATCHES ROWS`; the run's name comes from QSTORE_RUN.
"""

import sys

import numpy as np

import qstore as qs

x = qs.Parameter("x", shape=(2,))
circuit = qs.QuantumCircuit(2).ry(0, x[0]).ry(1, x[1]).cx(0, 1)
backend = qs.get_backend(sys.argv[1])
data = np.random.default_rng(7).normal(size=(int(sys.argv[2]), int(sys.argv[3]), 2))

for batch in data:
    result = qs.run(circuit, {"x": batch}, shots=100, backend=backend)
    print(*result.job_ids, flush=True)
print("finished", flush=True)
