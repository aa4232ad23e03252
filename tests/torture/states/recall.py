# SPDX-License-Identifier: Apache-2.0
"""Is the answer the right one, for every state and every phase; and does a wrong method get caught?"""

import numpy as np

from torture.states.samples import best, random_states


def recall(db, rng, stored, queries, dimension=256, top_k=10):
    """Store random states, ask with turned random states.

    Returns:
        (recall of the database, largest error of a fidelity, largest change under a phase, recall of the cosine).
    """
    states = random_states(rng, stored, dimension)
    db.store_states((f"s{place}", state) for place, state in enumerate(states))
    asked = random_states(rng, queries, dimension)
    asked[::4] = states[rng.integers(stored, size=len(asked[::4]))]
    turned = asked * np.exp(2j * np.pi * rng.random(queries))[:, None]
    plain, other = db.find_similar_many(asked, top_k), db.find_similar_many(turned, top_k)
    hits = cosine_hits = 0
    error = change = 0.0
    conjugate = states.conj()
    for query, turn, first, second in zip(asked, turned, plain, other, strict=True):
        places, fidelities = best(np.abs(conjugate @ query) ** 2, top_k)
        right = {f"s{place}" for place in places}
        hits += len(right & {found.id for found in second})
        cosine_hits += len(right & {f"s{place}" for place in best((conjugate @ turn).real, top_k)[0]})
        values = np.array([found.fidelity for found in second])
        error = max(error, float(np.abs(values - fidelities).max()))
        change = max(change, float(np.abs(values - [found.fidelity for found in first]).max()))
    asked_for = queries * top_k
    return hits / asked_for, error, change, cosine_hits / asked_for
