"""Runs and judgements as TREC text, so that trec_eval and other tools can check our figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.runs import Qrels, Run, ranking
from hardneg_plugin.files import atomic_path

_Number = TypeVar("_Number", int, float)


def write_trec_run(run: Run, path: Path, tag: str) -> None:
    """Write a run: ``query Q0 passage rank score tag``, one result a line, ranks from 1.

    trec_eval ignores the ranks, reads scores as float32 and breaks ties by passage id. Where a score is not below the
    one before it, the next smaller float32 is written instead, so that every tool sees our order. Queries without
    results leave no line: the format has no place for them, and they count 0 either way.

    :param run: Query id → passage id → score.
    :param path: File to write, UTF-8.
    :param tag: Name of the system.
    :raises EvaluationError: When an id or the tag is empty or holds white space, or a score is NaN or infinite.
    """
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as lines:
        for query, results in run.items():
            for rank, (passage, score) in enumerate(_untied(results, query), start=1):
                fields = (query, "Q0", passage, str(rank), repr(score), tag)
                lines.write(" ".join(_field(field, path) for field in fields) + "\n")


def read_trec_run(path: Path) -> dict[str, dict[str, float]]:
    """Read a run.

    :param path: File of ``query Q0 passage rank score tag`` lines; ranks and tags are not kept.
    :returns: Query id → passage id → score, in the order of the file.
    :raises EvaluationError: For a missing file, and for a broken or repeated line, with its number.
    """
    run: dict[str, dict[str, float]] = {}
    for position, (query, _, passage, _, score, _) in _fields(path, 6):
        results = run.setdefault(query, {})
        _refuse_repetition(passage in results, query, passage, position)
        results[passage] = _number(score, float, position)
    return run


def write_trec_qrels(qrels: Qrels, path: Path) -> None:
    """Write judgements: ``query 0 passage grade``, one a line.

    :param qrels: Query id → passage id → grade.
    :param path: File to write, UTF-8.
    :raises EvaluationError: When an id is empty or holds white space.
    """
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as lines:
        for query, grades in qrels.items():
            for passage, grade in grades.items():
                lines.write(f"{_field(query, path)} 0 {_field(passage, path)} {grade}\n")


def read_trec_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Read judgements.

    :param path: File of ``query 0 passage grade`` lines.
    :returns: Query id → passage id → grade, in the order of the file.
    :raises EvaluationError: For a missing file, and for a broken or repeated line, with its number.
    """
    qrels: dict[str, dict[str, int]] = {}
    for position, (query, _, passage, grade) in _fields(path, 4):
        grades = qrels.setdefault(query, {})
        _refuse_repetition(passage in grades, query, passage, position)
        grades[passage] = _number(grade, int, position)
    return qrels


def _untied(results: Mapping[str, float], query: str) -> Iterator[tuple[str, float]]:
    previous = np.float32(np.inf)
    for passage in ranking(results, query):
        score = float(results[passage])
        single = np.float32(score)
        if not np.isfinite(single):
            msg = f"query {query!r}: the score {score} of passage {passage!r} is not a finite float32"
            raise EvaluationError(msg)
        if single >= previous:
            single = np.nextafter(previous, np.float32(-np.inf))
            score = float(single)
        previous = single
        yield passage, score


def _field(text: str, path: Path) -> str:
    if text.split() != [text]:
        msg = f"{path}: TREC text separates its fields by spaces, so {text!r} cannot be one"
        raise EvaluationError(msg)
    return text


def _fields(path: Path, count: int) -> Iterator[tuple[str, list[str]]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                fields = line.split()
                if len(fields) != count:
                    msg = f"{path}:{number}: expected {count} fields, got {len(fields)}"
                    raise EvaluationError(msg)
                yield f"{path}:{number}", fields
    except FileNotFoundError as error:
        msg = f"{path} does not exist"
        raise EvaluationError(msg) from error


def _number(text: str, kind: Callable[[str], _Number], position: str) -> _Number:
    try:
        return kind(text)
    except ValueError as error:
        msg = f"{position}: expected {'a whole number' if kind is int else 'a number'}, got {text!r}"
        raise EvaluationError(msg) from error


def _refuse_repetition(known: bool, query: str, passage: str, position: str) -> None:
    if known:
        msg = f"{position}: query {query!r} and passage {passage!r} occur a second time"
        raise EvaluationError(msg)
