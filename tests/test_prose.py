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


def unknown_parameters(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of every ``:param`` that the function, the class or its ``__init__`` does not have."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        told = re.findall(r":param (\w+):", ast.get_docstring(node) or "")
        functions = (
            [node]
            if not isinstance(node, ast.ClassDef)
            else [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
        )
        known = {
            argument.arg
            for one in functions
            for argument in (
                *one.args.posonlyargs,
                *one.args.args,
                *one.args.kwonlyargs,
                one.args.vararg,
                one.args.kwarg,
            )
            if argument is not None
        }
        known |= {
            one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        }
        yield from ((node.lineno, name) for name in told if known and name not in known)


def test_docstrings_describe_parameters_that_exist():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted(ROOT.rglob("*.py"))
        for line, name in unknown_parameters(path.read_text("utf-8"))
    ]
    assert wrong == []


def test_a_parameter_that_is_not_there_is_recognised():
    source = 'def f(location):\n    """Read.\n\n    :param place: The file.\n    """\n'
    assert list(unknown_parameters(source)) == [(1, "place")]
