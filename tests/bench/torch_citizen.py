# SPDX-License-Identifier: Apache-2.0
"""What torch expects of a module, for our layers and another's: `python -m bench.torch_citizen`.

Columns are our `QuantumLayer`, one of the layers of `qstore.layers`, and PennyLane's `TorchLayer`, as its documentation
makes it. The test suite runs the first two columns of the same table.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable

import torch
from bench.report import rows
from bench.torch_checks import CHECKS, QUBITS, Make, NotHereError
from qstore_torch import QuantumFeatureExtractor, QuantumLayer
from torch import nn


def quantum_layer() -> nn.Module:
    """Our layer of any circuit."""
    return QuantumLayer(n_qubits=QUBITS, depth=1)


def feature_extractor() -> nn.Module:
    """One of the layers with a name."""
    return QuantumFeatureExtractor(QUBITS, 1, measurement_bases="Z")


def pennylane_layer() -> nn.Module:
    """PennyLane's, as its documentation makes it: default.qubit, its best gradient."""
    from bench.pennylane_layer import two_qubits

    return two_qubits()


OURS: dict[str, Make] = {"QuantumLayer": quantum_layer, "QuantumFeatureExtractor": feature_extractor}
SUBJECTS: dict[str, Make] = OURS | {"PennyLane TorchLayer": pennylane_layer}


def verdict(check: Callable[[Make], None], make: Make) -> str:
    """A cell: yes, or what went wrong."""
    torch.manual_seed(5)
    # Recorded: as errors, those that torch's compiler raises and hides itself would end it.
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        # Torch's own forward mode uses what torch itself no longer likes.
        warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
        try:
            check(make)
        except NotHereError as error:
            return f"({error})"
        except Exception as error:  # noqa: BLE001  # every trouble is a cell of the table
            text = re.sub(r"\s+", " ", str(error)).strip().replace("|", "/")
            return f"**no**: {type(error).__name__}: {text[:60]}"
    return f"**no**: warns: {str(warned[0].message)[:60]}" if warned else "yes"


def main() -> int:
    """Print the table; 1 if one of our cells is a no."""
    table = {name: [verdict(check, make) for make in SUBJECTS.values()] for name, check in CHECKS.items()}
    cells = [[name, *column] for name, column in table.items()]
    print(rows("What torch expects of a module; warnings count as errors:", cells, ["check", *SUBJECTS]))
    for index, name in enumerate(SUBJECTS):
        print(f"{name}: {sum(column[index] == 'yes' for column in table.values())} of {len(table)}")
    return int(any("**no**" in cell for column in table.values() for cell in column[: len(OURS)]))


if __name__ == "__main__":
    sys.exit(main())
