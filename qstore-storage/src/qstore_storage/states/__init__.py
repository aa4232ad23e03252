# SPDX-License-Identifier: Apache-2.0
"""States by id and by likeness: `QuantumStateDB`, with providers for this machine and for services.

`arrays`, `metadata`, `names` and `filters` say what is taken, `blobs` how a state is kept, `similarity` what "near" is;
`provider` is what `embedded`, `lance` and `pinecone` implement, the last two on top of `vectors`.
"""

from qstore_storage.states.arrays import checked_state
from qstore_storage.states.database import QuantumStateDB
from qstore_storage.states.records import SimilarState, StoredState
from qstore_storage.states.similarity import hilbert_schmidt_vector, similarity

__all__ = [
    "QuantumStateDB",
    "SimilarState",
    "StoredState",
    "checked_state",
    "hilbert_schmidt_vector",
    "similarity",
]
