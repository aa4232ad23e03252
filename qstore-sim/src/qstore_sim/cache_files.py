# SPDX-License-Identifier: Apache-2.0
"""Where numba keeps this package's compiled kernels on disk, for `qstore cache`."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

__all__ = ["kernel_files"]

_SUFFIXES = ("*.nbi", "*.nbc")
"""Numba's index files and its machine code; it compiles again what is missing."""


def kernel_files() -> list[Path]:
    """The files of compiled kernels that there are now, in all places where numba may have put them.

    Numba puts them beside the sources, else into the user's cache folder, or where NUMBA_CACHE_DIR says.
    """
    import numba
    from numba.core.caching import _CacheLocator
    from numba.misc.appdirs import AppDirs

    package = Path(__file__).parent
    sources = {path.parent for path in package.rglob("*.py")}
    roots = [Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)]
    config: Any = numba.config  # filled at run time
    roots += [Path(config.CACHE_DIR)] if config.CACHE_DIR else []
    # Elsewhere the files of one source folder have a folder named after it, so that nobody else's are among them.
    named = [_CacheLocator.get_suitable_cache_subpath(str(folder / "any.py")) for folder in sources]
    folders = {folder / "__pycache__" for folder in sources} | {
        root / name for root in roots for name in named
    }
    return sorted(set(chain.from_iterable(folder.glob(suffix) for folder in folders for suffix in _SUFFIXES)))
