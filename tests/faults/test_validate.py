"""`hardneg validate` asks no server and changes nothing on disk."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from hardneg_plugin.cli import main


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


@pytest.fixture
def no_network(monkeypatch):
    asked = []

    def refuse(*where: object) -> None:
        asked.append(where)
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    return asked


@pytest.mark.parametrize(
    "spec",
    [
        "mr-tydi:sw",
        "msmarco",
        "msmarco-bm25?rows=100",
        "beir:https://data.example/nq.zip",
        "beir:s3://bucket/nq",
        "jsonl:zip://pairs.jsonl::https://data.example/pairs.zip",
        "beir:memory://data",
        "sample?passages=1000",
        "jsonl:pairs.jsonl",
    ],
)
@pytest.mark.parametrize("where", ["data", "evaluate"])
def test_nothing_is_asked_and_nothing_is_written(tmp_path, monkeypatch, no_network, spec, where):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.jsonl").write_text('{"anchor": "who", "positive": "he"}\n')
    own = spec if where == "data" else "sample"
    other = f"  datasets: {{other: {{dataset: '{spec}', splits: [train]}}}}\n" if where == "evaluate" else ""
    text = f"name: dry\ndata: {{dataset: '{own}'}}\nmine: [{{bm25: }}]\nevaluate:\n  splits: [test]\n{other}"
    (tmp_path / "dry.yaml").write_text(text)
    before = everything(tmp_path)
    result = CliRunner().invoke(main, ["validate", "dry.yaml"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "no mistakes" in result.output or "has no split" in result.output, result.output
    assert everything(tmp_path) == before
    assert no_network == []
