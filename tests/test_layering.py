"""The house rules that a linter cannot check: who may import whom, how long things may be, what is never used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import hardneg_plugin

ROOT = Path(hardneg_plugin.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# From the top down; a module imports from lower levels and from its own package.
LEVELS = (
    {"__main__"},
    {"cli"},
    {"api"},
    {"run"},
    {"recipe"},
    {"components"},
    {"mining"},
    {"report"},  # the audit's report shows the audit's findings
    {"training", "evaluation"},
    {"search", "llm"},
    {"datasets"},
    {"text"},  # BM25 analyses text: search stands above it, and so do datasets, whose queries are compared by it
    {"records"},
    {"compiled", "garbage_collector"},
    {"cache", "identity", "memory", "validation"},
    {"outputs"},
    {"checksums", "files", "messages", "visible"},
    {"errors"},
)
LEVEL_OF = {part: number for number, parts in enumerate(LEVELS) for part in parts}
FACADE = "hardneg_plugin"


class Import(NamedTuple):
    module: str
    line: int
    at_import: bool


def part_of(path: Path) -> str:
    """The package of the first level that a file belongs to; the facade `hardneg_plugin/__init__.py` is its own."""
    first = path.relative_to(ROOT).parts[0]
    return FACADE if first == "__init__.py" else first.removesuffix(".py")


def imports_of(tree: ast.Module) -> Iterator[Import]:
    """All imports, also those inside functions and under TYPE_CHECKING."""
    runtime = set(map(id, _run_at_import(tree)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, id(node) in runtime) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield Import(module, node.lineno, id(node) in runtime)
            if module == FACADE:
                yield from (Import(f"{module}.{alias.name}", node.lineno, id(node) in runtime) for alias in node.names)


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those inside functions and under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _run_at_import(child)


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring not counted."""
    docstring = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    documented = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - documented


TREES = {path: ast.parse(path.read_text("utf-8"), str(path)) for path in FILES}
IMPORTS = [(path, found) for path, tree in TREES.items() for found in imports_of(tree)]


def at(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT.parent)}:{line}"


def test_the_whole_package_is_read():
    assert ROOT / "errors.py" in TREES
    assert len(TREES) > 50
    assert {part_of(path) for path in FILES} <= set(LEVEL_OF) | {FACADE}


def test_imports_go_downwards_only():
    wrong = []
    for path, found in IMPORTS:
        if not found.module.startswith(f"{FACADE}."):
            continue
        importer, imported = part_of(path), found.module.split(".")[1]
        if importer in (FACADE, imported) or imported not in LEVEL_OF:
            continue
        if LEVEL_OF[imported] <= LEVEL_OF[importer]:
            wrong.append(f"{at(path, found.line)}: {importer} imports {found.module}")
    assert wrong == []


def test_nothing_inside_imports_what_the_facade_exports():
    # `from hardneg_plugin import cache` names a part; `from hardneg_plugin import BM25NegativeMiner` would go upwards.
    wrong = [
        f"{at(path, found.line)}: {found.module}"
        for path, found in IMPORTS
        if found.module.startswith(f"{FACADE}.") and found.module.split(".")[1] not in LEVEL_OF
    ]
    assert wrong == []


def test_haystack_is_imported_where_the_plan_says():
    wrong = []
    for path, found in IMPORTS:
        if found.module.split(".")[0] not in ("haystack", "haystack_integrations"):
            continue
        part = part_of(path)
        if part in ("components", "recipe"):
            continue
        if part in ("records", "mining", "run") and found.module == "haystack.dataclasses":
            continue
        wrong.append(f"{at(path, found.line)}: {found.module}")
    assert wrong == []


def test_the_trainer_of_sentence_transformers_is_named_in_training_only():
    names = {"SentenceTransformerTrainer", "SentenceTransformerTrainingArguments"}
    found = {
        (part_of(path), node.id if isinstance(node, ast.Name) else node.attr)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id in names) or (isinstance(node, ast.Attribute) and node.attr in names)
    }
    assert {part for part, _ in found} == {"training"}


@pytest.mark.parametrize("library", ["torch", "sentence_transformers", "transformers", "datasets", "bm25s", "faiss"])
def test_heavy_libraries_are_imported_inside_functions(library):
    # These subclass what they import; they are themselves imported inside a function.
    allowed = {"training/trainer.py", "training/margin_mse.py", "training/table_gradient.py"}
    wrong = [
        at(path, found.line)
        for path, found in IMPORTS
        if found.at_import
        and found.module.split(".")[0] == library
        and path.relative_to(ROOT).as_posix() not in allowed
    ]
    assert wrong == []


def test_nothing_is_imported_relatively():
    assert [at(path, found.line) for path, found in IMPORTS if found.module.startswith(".")] == []


def test_no_file_is_over_300_lines():
    assert {path.name: lines for path in FILES if (lines := len(path.read_text("utf-8").splitlines())) > 300} == {}


def test_no_function_is_over_50_lines():
    long = [
        f"{at(path, node.lineno)}: {node.name} has {code_lines(node)} lines"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and code_lines(node) > 50
    ]
    assert long == []


def test_every_helper_has_an_owner():
    assert [path for path in FILES if path.stem in ("utils", "util", "helpers", "common", "misc")] == []


def test_nothing_that_runs_foreign_code():
    wrong = []
    for path, found in IMPORTS:
        if found.module.split(".")[0] in ("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"):
            wrong.append(f"{at(path, found.line)}: {found.module}")
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (reason := _runs_foreign_code(node)):
                wrong.append(f"{at(path, node.lineno)}: {reason}")
    assert wrong == []


def _runs_foreign_code(call: ast.Call) -> str:
    name = ast.unparse(call.func)
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if keywords.get("trust_remote_code", "False") != "False":
        return "trust_remote_code"
    if keywords.get("allow_pickle", "False") != "False":
        return "allow_pickle"
    if name in ("yaml.unsafe_load", "yaml.full_load", "yaml.unsafe_load_all", "yaml.full_load_all", "eval", "exec"):
        return name
    # A class of our own that extends the safe loader may be given; the ones that build objects may not.
    loader = keywords.get("Loader", ast.unparse(call.args[1]) if len(call.args) > 1 else "")
    if name in ("yaml.load", "yaml.load_all") and loader.split(".")[-1] in ("", "Loader", "UnsafeLoader", "FullLoader"):
        return f"{name} with {loader or 'no loader'}"
    return ""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("yaml.load(text)", "yaml.load with no loader"),
        ("yaml.load(text, yaml.Loader)", "yaml.load with yaml.Loader"),
        ("yaml.load(text, Loader=yaml.FullLoader)", "yaml.load with yaml.FullLoader"),
        ("yaml.load(text, Loader=StrictSafeLoader)", ""),
        ("yaml.safe_load(text)", ""),
        ("AutoModel.from_pretrained(name, trust_remote_code=True)", "trust_remote_code"),
        ("np.load(path, allow_pickle=True)", "allow_pickle"),
        ("np.load(path, mmap_mode='r')", ""),
    ],
)
def test_foreign_code_is_recognised(code, reason):
    call = ast.parse(code).body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    assert _runs_foreign_code(call.value) == reason
