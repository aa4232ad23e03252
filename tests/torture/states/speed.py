# SPDX-License-Identifier: Apache-2.0
"""How fast: inserts, and searches among many states."""

import time

import numpy as np

from torture.states.samples import random_states


def measure(db, rng, stored, dimension=256, batch=5000, queries=100, singles=1000):
    """Seconds and milliseconds by what was measured."""
    states = random_states(rng, stored, dimension)
    accuracies = rng.random(stored)
    rows = [(f"s{k}", states[k], {"accuracy": float(accuracies[k]), "epoch": k % 100}) for k in range(stored)]
    start, work = time.perf_counter(), time.process_time()
    for first in range(0, stored, batch):
        db.store_states(rows[first : first + batch])
    # Beside other work on the machine, the processor's time tells what it would take alone.
    result = {"insert_s": time.perf_counter() - start, "insert_cpu_s": time.process_time() - work}
    start = time.perf_counter()
    db.find_similar(states[0])
    result["first_query_s"] = time.perf_counter() - start
    for name, condition in (("query", None), ("filtered", {"accuracy": {"$gte": 0.85}})):
        times, work = [], time.process_time()
        for query in random_states(rng, queries, dimension):
            start = time.perf_counter()
            db.find_similar(query, 10, condition)
            times.append(time.perf_counter() - start)
        result[f"{name}_cpu_ms"] = (time.process_time() - work) / queries * 1e3
        result[f"{name}_p50_ms"], result[f"{name}_p95_ms"] = 1e3 * np.percentile(times, [50, 95])
    start = time.perf_counter()
    db.find_similar_many(random_states(rng, queries, dimension), 10)
    result["query_in_batch_ms"] = (time.perf_counter() - start) / queries * 1e3
    times = []
    for k in range(singles):
        start = time.perf_counter()
        db.store_state(f"single{k}", states[k], {"accuracy": 0.5})
        times.append(time.perf_counter() - start)
    result["single_insert_p50_ms"], result["single_insert_p95_ms"] = 1e3 * np.percentile(times, [50, 95])
    return {name: float(value) for name, value in result.items()}
