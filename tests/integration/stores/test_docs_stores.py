"""The page on document stores: its programs run, its table of directions is that of the contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hash_embedders import HashTextEmbedder
from known_stores import STORES, known_of
from passages import QUERIES, documents, examples

pytestmark = pytest.mark.integration
PAGE = (Path(__file__).parents[3] / "docs" / "stores.md").read_text("utf-8")
PROGRAMS = dict(re.findall(r"### (.+?)\n\n```python\n(.*?)```", PAGE, re.DOTALL))
TITLES = {
    "memory": "In memory",
    "qdrant-path": "Qdrant",
    "chroma": "Chroma",
    "pgvector": "pgvector",
    "milvus": "Milvus",
    "lancedb": "LanceDB",
}


@pytest.mark.parametrize("name", TITLES)
def test_the_program_of_each_store_runs(name, request, tmp_path, monkeypatch):
    if known_of(name).database:
        monkeypatch.setenv("PG_CONN_STR", request.getfixturevalue("connection").resolve_value())
    given = {"documents": documents(), "text_embedder": HashTextEmbedder(), "examples": examples(), "folder": tmp_path}
    exec(PROGRAMS[TITLES[name]], given)
    assert [bool(len(example.candidates)) for example in given["examples"]] == [True] * QUERIES


@pytest.mark.parametrize("name", TITLES)
def test_the_direction_of_each_metric_is_that_of_the_contract(name):
    lines = [line.split("|") for line in PAGE.splitlines() if line.startswith(f"| {TITLES[name].lower()} |")]
    lines += [line.split("|") for line in PAGE.splitlines() if line.startswith(f"| {TITLES[name]} |")]
    said = {
        metric: cells[4].strip() == "larger"
        for cells in lines
        if len(cells) == 7
        for metric in re.findall(r"`(\w+)`", cells[2])
    }
    assert {metric: said[metric] for metric in STORES[name].metrics} == {
        metric: higher for metric, (_, higher) in STORES[name].metrics.items()
    }
