"""`hardneg convert`: files, runs, cards, and a push to a hub that is a local server."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from click.testing import CliRunner

from hardneg_plugin.cli import main
from hardneg_plugin.datasets.formats import read_training_rows
from hardneg_plugin.outputs import MARK

FLAG = [
    {"query": "q1", "pos": ["p1"], "neg": ["n1", "n2"], "pos_scores": [2.5], "neg_scores": [0.5, 0.25]},
    {"query": "q2", "pos": ["p2"], "neg": [], "pos_scores": [1.0], "neg_scores": []},
]
AUDIT = {"figures": {"false_negative_rate": {"value": 0.03125, "interval": [0.01, 0.05]}, "a|b": "<script>x|y"}}
TOKEN = "hf_of_this_test_alone"


@pytest.fixture
def flag(tmp_path):
    file = tmp_path / "flag.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in FLAG), "utf-8")
    return file


def convert(*arguments):
    return CliRunner().invoke(main, ["convert", *map(str, arguments)])


def test_a_file_to_another_library(flag, tmp_path):
    result = convert(flag, tmp_path / "out.jsonl", "--to", "triplet", "--negatives", 1, "--scores")
    assert result.exit_code == 0, result.output
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [
        {"anchor": "q1", "positive": "p1", "negative": "n1", "scores": [2.5, 0.5]},
        {"anchor": "q2", "positive": "p2", "negative": None, "scores": [1.0]},
    ]
    assert "2 rows read as flagembedding, 2 written as triplet" in result.output
    assert "1 rows have no negatives" in result.output


def test_rows_left_out_are_said(flag, tmp_path):
    flag.write_text(flag.read_text() + '{"query": "q3", "pos": "p3"}\n', "utf-8")
    arguments = (flag, tmp_path / "out", "--to", "n-tuple", "--min-negatives", 1)
    refused = convert(*arguments)
    assert refused.exit_code == 1
    assert f"{flag}:3: expected a list of texts in 'pos'" in refused.output
    result = convert(*arguments, "--on-bad-row", "skip")
    assert f"left out: {flag}:3: " in result.output
    assert "1 left out for fewer than 1 negatives" in result.output
    assert len(read_training_rows(tmp_path / "out")) == 1


def test_what_is_asked_wrongly_is_one_line(flag, tmp_path):
    unknown = convert(flag, tmp_path / "out.jsonl", "--to", "flag")
    assert unknown.exit_code == 2
    assert "labeled-list" in unknown.output
    assert "add --card" in convert(flag, tmp_path / "out.jsonl", "--to", "triplet", "--audit", flag).output
    assert convert(flag, tmp_path / "out.jsonl", "--to", "ms-swift", "--scores").exit_code == 1
    assert not (tmp_path / "out.jsonl").exists()


def test_the_folder_of_a_push_has_a_card_with_the_audit(flag, tmp_path):
    audit = tmp_path / "audit.json"
    audit.write_text(json.dumps(AUDIT), "utf-8")
    result = convert(flag, tmp_path / "card", "--to", "n-tuple", "--card", "--audit", audit)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "card").iterdir()) == [MARK, "README.md", "train.parquet"]
    card = (tmp_path / "card" / "README.md").read_text("utf-8")
    header = yaml.safe_load(card.split("---")[1])
    assert header["configs"] == [{"config_name": "default", "data_files": "train.parquet"}]
    assert "| false_negative_rate.value | 0.03125 |" in card
    assert "| false_negative_rate.interval | 0.01, 0.05 |" in card
    assert r"| a\|b | &lt;script>x\|y |" in card

    from datasets import load_dataset

    loaded = load_dataset(str(tmp_path / "card"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded[0] == {"anchor": "q1", "positive": "p1", "negative_1": "n1", "negative_2": "n2"}
    again = convert(flag, tmp_path / "card", "--to", "n-tuple", "--card")
    assert "is there already" in again.output


def test_a_card_without_an_audit_says_so(flag, tmp_path):
    assert convert(flag, tmp_path / "card", "--to", "flagembedding", "--card").exit_code == 0
    assert "These rows were not audited." in (tmp_path / "card" / "README.md").read_text("utf-8")
    assert (tmp_path / "card" / "train.jsonl").is_file()
    broken = tmp_path / "broken.json"
    broken.write_text("{}", "utf-8")
    result = convert(flag, tmp_path / "other", "--to", "triplet", "--card", "--audit", broken)
    assert "an audit has a mapping 'figures'" in result.output
    assert not (tmp_path / "other").exists()


def test_a_card_of_several_tables_names_them(flag, tmp_path):
    assert convert(flag, tmp_path / "kd", "--to", "pylate", "--card").exit_code == 0
    header = yaml.safe_load((tmp_path / "kd" / "README.md").read_text("utf-8").split("---")[1])
    assert {config["config_name"] for config in header["configs"]} == {"train", "queries", "documents"}


class _Hub(BaseHTTPRequestHandler):
    """The endpoints of the hub that an upload asks."""

    files: dict[str, bytes]
    seen: Counter[str]

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0]
        self.seen[f"{path} {self.headers.get('Authorization')}"] += 1
        if path == "/api/repos/create":
            # The library says it in one of two ways, by its version.
            asked = json.loads(body)
            self.seen["private"] += asked.get("private") is True or asked.get("visibility") == "private"
            self._send({"url": f"http://{self.headers['Host']}/datasets/me/rows", "id": "1"})
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            modes = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None} for file in files
            ]
            self._send({"files": modes})
        elif "/commit/" in path:
            for line in body.splitlines():
                value = json.loads(line)
                if value["key"] == "file":
                    self.files[value["value"]["path"]] = base64.b64decode(value["value"]["content"])
            address = f"http://{self.headers['Host']}/datasets/me/rows/commit/{'0' * 40}"
            self._send({"commitUrl": address, "commitOid": "0" * 40, "success": True})
        else:
            self._send({"errors": [], "warnings": []})

    def do_GET(self):
        self._send({"id": "me/rows", "sha": "0" * 40, "siblings": [], "private": True, "tags": []})

    def _send(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.mark.integration
def test_a_push_sends_the_folder_and_never_the_token(flag, tmp_path):
    handler = type("Hub", (_Hub,), {"files": {}, "seen": Counter()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [sys.executable, "-m", "hardneg_plugin", "convert", flag, tmp_path / "rows", "--to", "triplet"]
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    here = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": TOKEN, "HF_ENDPOINT": endpoint}
    here |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    try:
        ran = subprocess.run([*command, "--push-to-hub", "me/rows"], env=here, capture_output=True, text=True)
    finally:
        server.shutdown()
        server.server_close()
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == f"{endpoint}/datasets/me/rows"
    assert handler.files == {
        path.name: path.read_bytes() for path in (tmp_path / "rows").iterdir() if path.name != MARK
    }
    assert b"# me/rows" in handler.files["README.md"]
    assert handler.seen[f"/api/repos/create Bearer {TOKEN}"] == 1
    assert handler.seen["private"] == 1
    assert not any(TOKEN.encode() in data for data in handler.files.values())
    assert TOKEN not in ran.stdout + ran.stderr


@pytest.mark.integration
def test_a_push_without_a_network_leaves_the_folder_and_says_why(flag, tmp_path):
    result = convert(flag, tmp_path / "rows", "--to", "triplet", "--push-to-hub", "me/rows")
    assert result.exit_code == 1
    assert "me/rows: the hub did not take the dataset" in result.output
    assert f"what would be sent is in {tmp_path / 'rows'}" in result.output
    assert (tmp_path / "rows" / "train.parquet").is_file()
