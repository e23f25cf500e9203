"""Pages of results with a section for each machine: a run on another one adds to a page, and replaces nothing."""

from __future__ import annotations

import os
import platform
import re
from datetime import date
from pathlib import Path

# What a processor may have for products in lower precision, the fastest first.
_INSTRUCTIONS = ("amx_int8", "amx_bf16", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512f", "avx2", "i8mm", "bf16")


def machine() -> str:
    """Name this machine's processor, how many it has, and its instructions for products."""
    try:
        facts = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        facts = ""
    named = re.search(r"^model name\s*:\s*(.+)$", facts, re.MULTILINE)
    listed = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", facts, re.MULTILINE)
    has = set(listed[1].split()) if listed else set()
    instructions = ", ".join(name for name in _INSTRUCTIONS if name in has)
    name = named[1] if named else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} processors" + (f" ({instructions})" if instructions else "")


def write_section(page: Path, head: str, text: str) -> None:
    """Write what was measured on this machine into a page.

    :param page: The page; it need not be there.
    :param head: What stands above all sections, the title included; replaces what is there.
    :param text: What was measured; the day is put before it.
    """
    sections = page.read_text("utf-8").split("\n## ")[1:] if page.exists() else []
    others = [section.strip() for section in sections if section.split("\n", 1)[0] != machine()]
    own = f"{machine()}\n\nMeasured on {date.today()}.\n\n{text.strip()}"
    page.write_text("\n\n## ".join([head.strip(), *others, own]) + "\n", "utf-8")
