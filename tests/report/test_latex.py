"""Tables as LaTeX."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from hardneg_plugin.report.content import Cell, Section, Table
from hardneg_plugin.report.latex import escape, latex_page

SECTION = Section(
    "tydi & more",
    (Table("RR@10", ("System", "50 %"), ((Cell("in_batch"), Cell("0.5 ± 0.1", True, "▲")), (Cell("a"), Cell("–")))),),
    ("One note.",),
)


def test_a_table_by_hand():
    assert latex_page([SECTION]).splitlines()[1:] == [
        "% One note.",
        r"\begin{table}",
        r"\caption{tydi \& more: RR@10}",
        r"\centering",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"System & 50 \% \\",
        r"\midrule",
        r"in\_batch & \textbf{0.5 $\pm$ 0.1}$^{\blacktriangle}$ \\",
        r"a & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_every_special_character_is_shown_and_does_nothing():
    assert escape("\\input{x} 1_2 #$%&~^ 한\nb") == (
        r"\textbackslash{}input\{x\} 1\_2 \#\$\%\&\textasciitilde{}\textasciicircum{} 한 b"
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_it_compiles(tmp_path):
    page = latex_page([SECTION])
    head = "\\documentclass{article}\\usepackage{booktabs,amssymb}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(head + page + "\\end{document}\n", "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
