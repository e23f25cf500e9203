"""The README says what is there: commands, recipes, a program that runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hardneg_plugin.cli import VERBS
from hardneg_plugin.recipe.find import builtin_recipes

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_is_in_the_readme(verb):
    assert f"hardneg {verb}" in README


@pytest.mark.parametrize("recipe", builtin_recipes())
def test_every_recipe_is_in_the_readme(recipe):
    assert f"`{recipe}`" in README


def test_every_environment_of_tox_that_the_readme_names_exists():
    tox = (ROOT / "tox.ini").read_text("utf-8")
    for name in re.findall(r"tox -e ([\w-]+)", README):
        assert f"[testenv:{name}]" in tox


PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.integration
@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_every_program_in_the_readme_runs(program, tmp_path):
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "negative_1" in ran.stdout


def test_ci_runs_the_command_of_the_readme():
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "README.md" in ci
    assert "<!-- tests -->" in README
