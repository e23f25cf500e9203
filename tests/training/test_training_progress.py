from __future__ import annotations

import io

import pytest

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.training.progress import progress_reporter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_per_tenth_without_a_terminal():
    stream = io.StringIO()
    report = progress_reporter("auto", stream)
    for step in range(1, 626):
        report(step, 625)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("training: step 63 of 625 (10 %), ")
    assert lines[-1].startswith("training: step 625 of 625 (100 %), ")


def test_short_trainings_have_no_more_lines_than_steps():
    stream = io.StringIO()
    report = progress_reporter("auto", stream)
    for step in (1, 2, 3):
        report(step, 3)
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == [
        "training: step 1 of 3 (33 %)",
        "training: step 2 of 3 (66 %)",
        "training: step 3 of 3 (100 %)",
    ]


def test_a_bar_in_a_terminal_even_after_a_resume():
    stream = Terminal()
    report = progress_reporter("auto", stream)
    for step in (8, 9, 10):
        report(step, 10)
    assert "10/10" in stream.getvalue()


def test_own_function_and_nothing(capsys):
    seen = []
    progress_reporter(lambda done, total: seen.append((done, total)))(1, 2)
    progress_reporter("none")(1, 1)
    assert seen == [(1, 2)]
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ParameterError, match="progress must be auto, none or a function"):
        progress_reporter("loud")  # type: ignore[arg-type]
