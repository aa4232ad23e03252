# SPDX-License-Identifier: Apache-2.0
"""A job's tag: what it is, hashed. Never when or in which order it was sent, so that a restart finds it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qstore.execution.canonical_json import canonical_json

__all__ = ["job_tag"]


def job_tag(run: str, content: Mapping[str, Any], stream_keys: bytes, settings: Mapping[str, Any]) -> str:
    """The name of a job: SHA-256 over the run, what is run, the stream keys of its rows, and the settings.

    Args:
        run: the name of the run, as in `CircuitBatch.run`.
        content: what is run, as JSON.
        stream_keys: `batch.stream_keys.tobytes()`; empty for an exact batch.
        settings: all that changes the result, as JSON: target, shots, noise, mitigation.

    Raises:
        OptionError: content or settings are no JSON.

    Example:
        >>> job_tag("digits", {"gates": []}, b"", {"shots": 100})[:16]
        'e8abe1ac6b107705'
    """
    import hashlib  # 3 ms that exact local work never needs

    digest = hashlib.sha256(b"qstore job 1\n")
    for part in (
        run.encode(), canonical_json(content, "A job's content").encode(), stream_keys,
        canonical_json(settings, "A job's settings").encode(),
    ):  # fmt: skip
        digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()
