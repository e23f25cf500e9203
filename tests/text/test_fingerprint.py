"""When a fingerprint changes and when it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hardneg_plugin.text.fingerprint import analysis_fingerprint, fingerprint_of

PARTS = {"scripts.py": b"rules", "question_words.yaml": b"words"}


def test_the_order_of_the_parts_does_not_matter() -> None:
    assert fingerprint_of(PARTS) == fingerprint_of(dict(reversed(PARTS.items())))


@pytest.mark.parametrize(
    "changed",
    [
        {**PARTS, "scripts.py": b"rules!"},
        {**PARTS, "folding.py": b""},
        {"scripts.py": b"words", "question_words.yaml": b"rules"},
        {"scripts.py": b"rules"},
    ],
)
def test_every_change_shows(changed: dict[str, bytes]) -> None:
    assert fingerprint_of(changed) != fingerprint_of(PARTS)


def test_another_process_finds_the_same() -> None:
    code = (
        "import sys; from hardneg_plugin.text import Analyzer\n"
        "assert 'torch' not in sys.modules\n"
        "sys.stdout.write(Analyzer().fingerprint)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == analysis_fingerprint()
