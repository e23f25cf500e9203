"""The real hub library against a local server: what is fetched, kept, gone on with, and refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_files import small_catalogue, write, write_hub
from hub_server import HubServer

pytestmark = pytest.mark.integration

SCRIPT = """
import json, sys
from pathlib import Path
from hardneg_plugin.datasets.hub import catalogue
catalogue.CATALOGUE = Path(sys.argv[1])
from hardneg_plugin.cli import main
main(json.loads(sys.argv[2]), standalone_mode=False)
"""
READ = """
import sys
from pathlib import Path
from hardneg_plugin.datasets.hub import catalogue
catalogue.CATALOGUE = Path(sys.argv[1])
from hardneg_plugin import load_dataset
from hardneg_plugin.errors import HardnegError
try:
    dataset = load_dataset(sys.argv[2])
    print(len(dataset.corpus), dataset.qrels(sys.argv[3]))
except HardnegError as error:
    print("Error:", error)
"""


class Hub:
    """Runs Python in a process of its own: the library reads its environment once, when it is imported."""

    def __init__(self, folder: Path, url: str):
        self.folder = folder
        self.catalogue = small_catalogue(folder / "catalogue.yaml")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HARDNEG_HUB"))}
        self.environment = {
            **kept,
            "HF_ENDPOINT": url,
            "NO_PROXY": "*",
            "HF_HOME": str(folder / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HARDNEG_CACHE": str(folder / "cache"),
        }

    def run(self, script: str, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script, str(self.catalogue), *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout + done.stderr

    def command(self, *arguments: str, **environment: str) -> str:
        return self.run(SCRIPT, json.dumps(arguments), **environment)


@pytest.fixture
def server(tmp_path):
    write_hub(tmp_path / "repos")
    with HubServer(tmp_path / "repos") as server:
        yield server


@pytest.fixture
def hub(server, tmp_path):
    return Hub(tmp_path, server.url)


def test_what_is_read_is_fetched_once_and_kept(server, hub):
    assert "6 {'3': {'3#0': 1}}" in hub.run(READ, "mr-tydi:sw", "test")
    assert server.sent == {"corpus.jsonl.gz": 1, "train.jsonl.gz": 1, "dev.jsonl.gz": 1, "test.jsonl.gz": 1}
    assert "6 {'2': {'2#0': 1}}" in hub.run(READ, "mr-tydi:sw", "dev", HF_HUB_OFFLINE="1")
    assert server.sent.total() == 4


def test_a_download_prints_sizes_first_counts_rows_and_fetches_nothing_twice(server, hub):
    said = hub.command("download", "mr-tydi:sw")
    assert "to download: 4 of 4 files, 22.1 MB" in said
    assert said.count("rows counted") == 4
    assert server.sent.total() == 4
    again = hub.command("download", "mr-tydi:sw")
    assert "to download: 0 of 4 files" in again
    assert server.sent.total() == 4


def test_a_file_that_was_cut_off_is_whole_in_the_end(server, hub):
    server.cut = "corpus.jsonl.gz"
    for _ in range(2):
        said = hub.command("download", "mr-tydi:sw")
        if said.count("rows counted") == 4:
            break
    assert said.count("rows counted") == 4
    assert sum(number for name, number in server.sent.items() if name.startswith("corpus.jsonl.gz")) == 2


def test_a_shard_that_is_missing_is_fetched_again_and_never_left_out(server, hub, tmp_path):
    whole = "6 {'11': {'1': 1}}"
    assert whole in hub.run(READ, "msmarco", "dev")
    shards = "hub/datasets--sentence-transformers--msmarco/snapshots/*/corpus/train-00001*"
    for _ in range(2):
        (shard,) = (tmp_path / "hf").glob(shards)
        shard.unlink()
        offline = hub.run(READ, "msmarco", "dev", HF_HUB_OFFLINE="1")
        assert "sentence-transformers/msmarco@main/corpus/*.parquet (1,689.0 MB) is not on this machine" in offline
        assert whole in hub.run(READ, "msmarco", "dev")


def test_a_repository_that_is_gone_or_a_server_that_is_down_says_what_to_do(server, hub, tmp_path):
    (tmp_path / "repos/castorini").rename(tmp_path / "gone")
    said = hub.run(READ, "mr-tydi:sw", "test")
    assert "castorini/mr-tydi-corpus@main/mrtydi-v1.1-swahili/corpus.jsonl.gz (10.0 MB) is not on this machine" in said
    assert "`hardneg download mr-tydi:sw` fetches it" in said
    down = hub.run(READ, "mr-tydi:sw", "test", HF_ENDPOINT="http://127.0.0.1:9")
    assert "cannot be downloaded" in down
    assert "Traceback" not in said + down


def test_a_repository_without_the_file_has_changed(server, hub, tmp_path):
    write(tmp_path / "repos/castorini/mr-tydi-corpus/README.md", "moved")
    (tmp_path / "repos/castorini/mr-tydi-corpus/mrtydi-v1.1-swahili/corpus.jsonl.gz").unlink()
    assert "holds no file mrtydi-v1.1-swahili/corpus.jsonl.gz; the repository has changed" in hub.run(
        READ, "mr-tydi:sw", "test"
    )


def test_a_file_from_elsewhere_is_fetched_once_and_never_kept_half(server, hub):
    text = hub.catalogue.read_text("utf-8")
    hub.catalogue.write_text(text.replace("https://", f"{server.url}/"), "utf-8")
    server.cut = "2020qrels-pass.txt"
    broken = hub.run(READ, "msmarco-dl20", "dl20")
    assert "2020qrels-pass.txt (0.2 MB) is not on this machine and cannot be downloaded: the connection broke" in broken
    for _ in range(2):
        assert "6 {'20': {'4': 2, '5': 0}}" in hub.run(READ, "msmarco-dl20", "dl20")
    assert server.sent["2020qrels-pass.txt"] == 2
