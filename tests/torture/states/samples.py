# SPDX-License-Identifier: Apache-2.0
"""Random states, and an independent opinion on how alike they are."""

import numpy as np


def random_states(rng, count, dimension):
    """Uniformly random pure states, (count, dimension)."""
    states = rng.normal(size=(count, dimension)) + 1j * rng.normal(size=(count, dimension))
    return states / np.linalg.norm(states, axis=1, keepdims=True)


def random_mixed(rng, count, dimension, rank=3):
    """Density matrices, (count, dimension, dimension)."""
    matrices = []
    for _ in range(count):
        weights = rng.dirichlet(np.ones(rank))
        states = random_states(rng, rank, dimension)
        matrices.append(np.einsum("k,ki,kj->ij", weights, states, states.conj()))
    return np.array(matrices)


def similarity_by_definition(a, b):
    """Tr(rho sigma) / sqrt(Tr rho^2 Tr sigma^2), with both written out as matrices."""
    rho, sigma = (each if each.ndim == 2 else np.outer(each, each.conj()) for each in (a, b))
    return np.trace(rho @ sigma).real / np.sqrt(np.trace(rho @ rho).real * np.trace(sigma @ sigma).real)


def best(scores, top_k):
    """The places of the highest scores, and the scores."""
    places = np.argsort(-scores, kind="stable")[:top_k]
    return places, scores[places]


def nearest_by_brute_force(query, states, top_k):
    """The places of the nearest of some pure states and their fidelities, in double precision."""
    return best(np.abs(states.conj() @ query) ** 2, top_k)


def nearest_by_cosine(query, states, top_k):
    """What a database of real vectors finds: the cosine between [Re, Im] and [Re, Im]."""
    return best((states.conj() @ query).real, top_k)[0]
