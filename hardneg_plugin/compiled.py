"""Loops compiled by numba, and kept on disk where that is possible; import this where numba may be imported."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numba

logger = logging.getLogger(__name__)


def njit_cached(signature: str | None = None, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function which lets go of the interpreter.

    numba keeps what it compiled beside the source, or else in the user's cache folder, and compiles again when the
    function's own file changes, not when one does whose functions or constants it uses: that file's module says which
    others to touch. Where neither folder can be written, as in a container without a home, each process compiles anew.

    :param signature: The one signature to compile it for; None compiles it for what it is called with.
    :param options: Options of ``numba.njit``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(signature, nogil=True, cache=True, **options)(function)
        except RuntimeError as error:
            logger.debug("compiled anew in this process: %s", error)
            return numba.njit(signature, nogil=True, **options)(function)

    return decorate
