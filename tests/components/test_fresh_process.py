"""What a user's own process sees: nothing imported but hardneg_plugin, nothing set in the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from component_cases import CASES, TAKES_CORPUS
from haystack import Pipeline
from haystack.document_stores.in_memory import InMemoryDocumentStore
from test_train_and_evaluate import whole_pipeline

pytestmark = pytest.mark.integration

LOAD_AND_RUN = """
import json, sys
import hardneg_plugin
import yaml
from haystack import Pipeline
from pathlib import Path

def plain(text):
    # Haystack writes connections in the order of the components, which loading sorts by name.
    data = yaml.safe_load(text)
    return {**data, "connections": sorted(data["connections"], key=lambda edge: edge["sender"])}

folder, spec = sys.argv[1:]
same = {}
for path in sorted(Path(folder).glob("*.yaml")):
    text = path.read_text("utf-8")
    again = Pipeline.loads(text).dumps()
    same[path.stem] = (again == text or path.stem == "whole") and plain(again) == plain(text)
pipeline = Pipeline.loads(Path(folder, "whole.yaml").read_text("utf-8"))
shards = hardneg_plugin.ExampleShards(hardneg_plugin.load_dataset(spec), "train")
result = pipeline.run({"bm25": {"examples": shards[0]}})
print(json.dumps({"same": same, "outputs": sorted(result), "metrics": result["evaluate"]["metrics"]}))
"""


def run_clean(code: str, *arguments: str, **variables: str) -> str:
    """Run a program without Haystack's variables in its environment, but for the one that stops telemetry."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "HARDNEG_CACHE") if name in os.environ}
    quiet = {"HAYSTACK_TELEMETRY_ENABLED": "False", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**kept, **quiet, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def single(component: object) -> str:
    pipeline = Pipeline()
    pipeline.add_component("it", component)
    return pipeline.dumps()


def test_every_component_is_loaded_dumped_and_run(spec, tmp_path):
    folder = tmp_path / "yaml"
    folder.mkdir()
    for case in CASES:
        (folder / f"{case.name}.yaml").write_text(single(case.build()), "utf-8")
        (folder / f"{case.name}-custom.yaml").write_text(single(case.build(**case.custom)), "utf-8")
    for case in TAKES_CORPUS:
        text = single(case.build(**{"corpus": InMemoryDocumentStore()}))
        (folder / f"{case.name}-store.yaml").write_text(text, "utf-8")
    (folder / "whole.yaml").write_text(whole_pipeline(spec, str(tmp_path / "model")).dumps(), "utf-8")
    answer = json.loads(run_clean(LOAD_AND_RUN, str(folder), spec).splitlines()[-1])
    assert len(answer["same"]) == 2 * len(CASES) + len(TAKES_CORPUS) + 1
    assert [name for name, same in answer["same"].items() if not same] == []
    assert answer["outputs"] == ["evaluate", "train"]
    assert set(answer["metrics"]) == {"RR@10", "nDCG@10"}


WITHOUT_IMPORT = """
import sys
from haystack import Pipeline
from haystack.core.errors import DeserializationError
try:
    Pipeline.loads(sys.argv[1])
except DeserializationError as error:
    assert "allowlist" in str(error), error
    print("refused")
"""


def test_without_the_import_haystack_refuses(spec):
    case = CASES[0]
    assert run_clean(WITHOUT_IMPORT, single(case.build(spec))).strip() == "refused"


# The package itself

LOOK = """
import os, sys
before = set(sys.modules)
import hardneg_plugin
heavy = {"torch", "haystack", "transformers", "sentence_transformers", "datasets", "numpy", "pyarrow", "bm25s"}
print(sorted(heavy & set(sys.modules)))
print(os.environ["HAYSTACK_DESERIALIZATION_ALLOWLIST"])
import importlib
importlib.reload(hardneg_plugin)
del sys.modules["hardneg_plugin"]
import hardneg_plugin
print(os.environ["HAYSTACK_DESERIALIZATION_ALLOWLIST"])
print(sorted(set(dir(hardneg_plugin))) == sorted(hardneg_plugin.__all__))
"""


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, "hardneg_plugin"),
        ("", "hardneg_plugin"),
        ("my_package,other.*", "my_package,other.*,hardneg_plugin"),
        (" my_package , ", "my_package,hardneg_plugin"),
        ("hardneg_plugin,mine", "hardneg_plugin,mine"),
        ("hardneg_plugin_extra", "hardneg_plugin_extra,hardneg_plugin"),
    ],
)
def test_importing_the_package_imports_nothing_heavy_and_allows_itself_once(allowed, expected):
    variables = {} if allowed is None else {"HAYSTACK_DESERIALIZATION_ALLOWLIST": allowed}
    assert run_clean(LOOK, **variables).splitlines() == ["[]", expected, expected, "True"]


EXPORTS = """
import hardneg_plugin
from hardneg_plugin import *
print([name for name in hardneg_plugin.__all__ if getattr(hardneg_plugin, name) is not globals()[name]])
"""


def test_every_export_can_be_imported():
    assert run_clean(EXPORTS).strip() == "[]"
