"""Damage to files as disks, copies and killed programs do it, drawn from a random source."""

from __future__ import annotations

from pathlib import Path
from random import Random

KINDS = ("flip", "flip", "flip", "flips", "truncate", "empty", "zeros", "replace")


def damage(path: Path, draw: Random) -> str:
    """Damage a file; return how. It differs from before, unless it was empty."""
    content = bytearray(path.read_bytes())
    kind = draw.choice(KINDS) if content else "replace"
    if kind in ("flip", "flips"):
        for _ in range(1 if kind == "flip" else draw.randint(2, 20)):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif kind == "truncate":
        del content[draw.randrange(len(content)) :]
    elif kind == "empty":
        content.clear()
    elif kind == "zeros":
        start = draw.randrange(len(content))
        length = min(len(content) - start, draw.choice((16, 512, 4096)))
        content[start : start + length] = bytes(length)
    else:
        content = bytearray(draw.choice((draw.randbytes(300), b"{}", b"[]", b"null", b"<html>502</html>", b"\xff\xfe")))
    path.write_bytes(content)
    return kind
