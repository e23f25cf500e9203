"""Compile loops with numba and keep the machine code on disk; import this where numba may be imported.

Compiled functions inline functions of other files, and numba looks at the function's own file alone to tell whether
its stored code is current. So the code is stored in a folder named by the content of all files that hold compiled
functions: a change of any of them compiles all of them anew.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba
import xxhash

from hardneg_plugin.cache import cache_root

KERNEL_FILES = "*_kernels.py"
"""Pattern of the files that hold compiled functions."""

logger = logging.getLogger(__name__)
_lock = threading.Lock()


def njit_cached(signature: str | None = None, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function which releases the global interpreter lock.

    Where no folder can be written, as in a container without a home, each process compiles anew.

    :param signature: The one signature to compile it for; None compiles it for what it is called with.
    :param options: Options of ``numba.njit``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        for folder in _folders():
            try:
                with _stored_in(folder):
                    return numba.njit(signature, nogil=True, cache=True, **options)(function)
            except (RuntimeError, OSError) as error:
                logger.debug("compiled code cannot be kept in %s: %s", folder, error)
        return numba.njit(signature, nogil=True, **options)(function)

    return decorate


@cache
def _folders() -> tuple[Path, ...]:
    """Return the folders to try: beside the package, then the user's cache."""
    package = Path(__file__).parent
    name = f"numba-{content_of_kernels(package)}"
    return (package / "__pycache__" / name, cache_root() / name)


def content_of_kernels(package: Path) -> str:
    """Return a hash of all files below a folder that hold compiled functions, and of how they are compiled.

    :param package: The folder.
    :returns: 16 hex digits.
    """
    content = xxhash.xxh3_64(Path(__file__).read_bytes())
    for file in sorted(package.rglob(KERNEL_FILES)):
        content.update(file.read_bytes())
    return content.hexdigest()


@contextmanager
def _stored_in(folder: Path) -> Iterator[None]:
    """Let numba store what is compiled in a folder; other packages' functions stay where they were."""
    settings: Any = numba.config
    with _lock:
        before, settings.CACHE_DIR = settings.CACHE_DIR, str(folder)
        try:
            yield
        finally:
            settings.CACHE_DIR = before
