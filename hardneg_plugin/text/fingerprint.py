"""Fingerprint the rules and data that determine an analyzer's terms."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import metadata, resources

_SUFFIXES = (".py", ".yaml")
_DIGEST_CHARACTERS = 16


def fingerprint_of(parts: Mapping[str, bytes]) -> str:
    """Hash named contents.

    :param parts: Content by name; the order does not matter.
    :returns: 16 hexadecimal characters.
    """
    digest = hashlib.sha256()
    for name, content in sorted(parts.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:_DIGEST_CHARACTERS]


@cache
def analysis_fingerprint() -> str:
    """Hash the source and data of this package and the Unicode tables it relies on.

    Hashing the source means that a changed comment builds indexes anew; a version number that someone forgot to raise
    would serve wrong ones.

    :returns: 16 hexadecimal characters.
    """
    parts = {
        file.name: file.read_bytes()
        for file in resources.files(__package__).iterdir()
        if file.is_file() and file.name.endswith(_SUFFIXES)
    }
    parts["unicode"] = unicodedata.unidata_version.encode()
    parts["regex"] = metadata.version("regex").encode()
    return fingerprint_of(parts)
