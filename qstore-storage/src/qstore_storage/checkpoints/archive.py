# SPDX-License-Identifier: Apache-2.0
"""The payload of a small model as one file: a zip archive that `zarr.storage.ZipStore` opens.

Entries are stored, not deflated: their sizes are the file's, so no archive can blow up. Read out of verified bytes.
"""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterable

from qstore.errors import CheckpointCorrupt

__all__ = ["packed", "unpacked_files"]

MAX_ENTRIES = 10_000
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date of a zip entry: the same state gives the same bytes."""


def packed(files: Iterable[tuple[str, Iterable[bytes | memoryview]]]) -> memoryview:
    """The archive of files by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, parts in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o600 << 16
            with archive.open(entry, "w", force_zip64=True) as file:
                for part in parts:
                    file.write(part)
    return buffer.getbuffer()


def unpacked_files(raw: bytes, what: str) -> dict[str, bytes]:
    """Content of every file of an archive.

    Raises:
        CheckpointCorrupt: it is no such archive: damaged, deflated, encrypted, with links, folders or names twice, or
            with more entries than a payload has.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries}
            if len(entries) > MAX_ENTRIES or len(names) < len(entries):
                raise CheckpointCorrupt(
                    f"{what} has {len(entries)} entries of {len(names)} names; none is read."
                )
            for entry in entries:
                _check(entry, what)
            if sum(entry.file_size for entry in entries) > len(raw):
                raise CheckpointCorrupt(f"{what} has entries that share their bytes.")
            return {entry.filename: archive.read(entry) for entry in entries}
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
    ) as exc:
        if isinstance(exc, CheckpointCorrupt):
            raise
        raise CheckpointCorrupt(f"{what} is no archive of a checkpoint: {exc}") from exc


def _check(entry: zipfile.ZipInfo, what: str) -> None:
    mode = entry.external_attr >> 16
    ordinary = stat.S_IFMT(mode) in {0, stat.S_IFREG} and not entry.is_dir() and not entry.flag_bits & 1
    stored = entry.compress_type == zipfile.ZIP_STORED and entry.compress_size == entry.file_size
    if not (ordinary and stored):
        raise CheckpointCorrupt(
            f"{what} has the entry {entry.filename!r:.100}, which is not a plain stored file."
        )
