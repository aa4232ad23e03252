# SPDX-License-Identifier: Apache-2.0
"""Real vectors for states: what a dot product says about a similarity, and how much it leaves open."""

import numpy as np
import pytest

from qstore.errors import OptionError
from qstore_storage.states import checked_state, hilbert_schmidt_vector, similarity
from qstore_storage.states.similarity import similarities
from qstore_storage.states.vectors import Embedding
from torture.states.samples import random_mixed, random_states, similarity_by_definition


@pytest.fixture
def rng():
    return np.random.default_rng(6)


def test_similarity_is_what_its_definition_says(rng):
    states = [*random_states(rng, 6, 8), *random_mixed(rng, 6, 8), np.eye(8) / 8]
    for a in states:
        for b in states:
            expected = similarity_by_definition(a, b)
            assert abs(similarity(a, b) - expected) < 1e-11
            assert abs(hilbert_schmidt_vector(a) @ hilbert_schmidt_vector(b) - expected) < 1e-12
        assert similarity(a, a) == 1
    assert similarity([1, 0], [0, 1]) == similarity(np.diag([1, 0]), [0, 1j]) == 0
    with pytest.raises(OptionError, match="as many qubits"):
        similarity([1, 0], np.eye(4) / 4)


@pytest.mark.parametrize("mixed_rows", [False, True])
@pytest.mark.parametrize("mixed_query", [False, True])
def test_a_rows_value_does_not_depend_on_its_neighbours(rng, mixed_rows, mixed_query):
    rows = random_mixed(rng, 37, 8) if mixed_rows else random_states(rng, 37, 8)
    query = random_mixed(rng, 1, 8)[0] if mixed_query else random_states(rng, 1, 8)[0]
    together = similarities(query, rows)
    assert all(similarities(query, rows[k : k + 1])[0] == together[k] for k in range(37))
    assert (similarities(query, rows[::-1])[::-1] == together).all()


@pytest.mark.parametrize("mixed", [False, True])
def test_no_state_is_more_similar_than_its_best_score_allows(rng, mixed):
    embedding = Embedding(mixed)
    states = [checked_state(each) for each in random_states(rng, 300, 4)]
    if mixed:
        states += [checked_state(each) for each in random_mixed(rng, 100, 4)]
    vectors = np.array([embedding.vector(each) for each in states])
    assert vectors.shape[1] == embedding.dimension(2)
    assert embedding.n_qubits(vectors.shape[1]) == 2
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
    tightest = 1.0
    for query in states[:5] + states[-5:]:
        scores = (embedding.queries(query) @ vectors.T).max(axis=0)
        for score, state in zip(scores, states, strict=True):
            slack = embedding.bound(float(score), 2) - similarity(query.array, state.array)
            assert slack >= 0
            tightest = min(tightest, slack)
    assert tightest < 1e-3  # the bound is reached, or it would be a waste
