"""Docstrings begin with plain English that says what a thing does or is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import hardneg_plugin

ROOT = Path(hardneg_plugin.__file__).parent
# Clauses in place of statements, and phrases that a reader has to take apart.
CLAUSE = re.compile(r"^(What|Whether|How|From|Which|Where|Who|Why|When)\b")
RIDDLE = re.compile(r"\b(is none|are none|are no|is no|of its own|of their own|told from|laid out|foretold)\b")


def first_lines(source: str) -> Iterator[tuple[int, str]]:
    """Line number and first line of every docstring; of a module without one, an empty line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring or isinstance(node, ast.Module):
                yield getattr(node, "lineno", 1), (docstring or "").partition("\n")[0]


def faults(first_line: str) -> list[str]:
    found = [pattern.search(first_line) for pattern in (CLAUSE, RIDDLE)]
    return [match[0] for match in found if match] or ([] if first_line else ["no docstring"])


def test_first_lines_of_docstrings_are_plain():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {fault}: {text}"
        for path in sorted(ROOT.rglob("*.py"))
        for line, text in first_lines(path.read_text("utf-8"))
        for fault in faults(text)
    ]
    assert wrong == []


def test_riddles_are_recognised():
    assert faults("What is wrong with a row.") == ["What"]
    assert faults("Return a judgement that is none.") == ["is none"]
    assert faults("") == ["no docstring"]
    assert faults("Count characters.") == []
