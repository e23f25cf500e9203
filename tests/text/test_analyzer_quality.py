"""What BM25 reaches with the analyzer on two small real sets."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("HARDNEG_SHARED", REPOSITORY.parent / "shared")) / "data"


def load_benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("analyzers_benchmark", REPOSITORY / "benchmarks" / "analyzers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look themselves up by module name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.integration
@pytest.mark.parametrize(("name", "floor"), [("tydi/bn", 0.75), ("xquad-r/zh", 0.79)])
def test_rr_at_10_reaches_its_floor(name: str, floor: float) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"no shared data in {DATA / name}")
    benchmark = load_benchmark()
    line = benchmark.measure(DATA / name, "test", benchmark.hardneg, k1=1.2, b=0.75)
    assert line.rr >= floor
    assert line.hit >= 0.97


def test_benchmark_says_which_sets_are_absent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark = load_benchmark()
    benchmark.print_table(tmp_path, "test", k1=1.2, b=0.75)
    rows = capsys.readouterr().out.splitlines()[4:]
    assert [row.split(" | ")[0] for row in rows] == [f"| {name}" for name in benchmark.SETS]
    assert all("skipped: no test split" in row for row in rows)
