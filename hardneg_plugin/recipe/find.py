"""Finding recipes and suites: by path, or by the name of one that comes with the package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hardneg_plugin.errors import RecipeError

_PACKAGE = Path(__file__).parent.parent


def recipe_folder() -> Path:
    """Return the folder of the recipes that come with the package: inside a wheel, or beside an editable install."""
    shipped = _PACKAGE / "_recipes"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "recipes"


def builtin_recipes() -> dict[str, Path]:
    """Return name → file of the recipes that come with the package."""
    return {path.stem: path for path in sorted(recipe_folder().glob("*.yaml"))}


def builtin_suites() -> dict[str, Path]:
    """Return name → file of the benchmark suites that come with the package."""
    shipped = _PACKAGE / "_suites"
    folder = shipped if shipped.is_dir() else _PACKAGE.parent / "benchmarks" / "suites"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_recipe(recipe: str) -> Path:
    """Return the file of a recipe.

    :param recipe: Path, or name of one that comes with the package.
    :raises RecipeError: If there is neither.
    """
    if recipe in builtin_suites() and recipe not in builtin_recipes() and not Path(recipe).is_file():
        msg = f"{recipe} is a suite of recipes: `hardneg benchmark {recipe}`, with --dry-run to see what it needs"
        raise RecipeError(msg)
    return _find("recipe", recipe, builtin_recipes())


def find_suite(suite: str) -> Path:
    """Return the file of a benchmark suite.

    :param suite: Path, or name of one that comes with the package.
    :raises RecipeError: If there is neither.
    """
    return _find("suite", suite, builtin_suites())


def _find(kind: str, wanted: str, known: Mapping[str, Path]) -> Path:
    path = Path(wanted)
    if path.is_file():
        return path
    if wanted in known:
        return known[wanted]
    msg = f"no {kind} {wanted!r}: neither a file nor one of {', '.join(known)}"
    raise RecipeError(msg)


def summary(path: Path) -> str:
    """Return the first comment line of a recipe or suite: what it is."""
    with path.open(encoding="utf-8") as file:
        return next(file, "").lstrip("# ").strip()
