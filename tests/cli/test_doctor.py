"""``hardneg doctor``: what is here, what is missing, and what to do about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "llm"))
from ollama_server import OllamaServer

from hardneg_plugin.cli import main
from hardneg_plugin.run import doctor

RECIPE = {
    "name": "tried",
    "data": {"dataset": "sample"},
    "systems": {"bm25": [{"bm25": {"top_k": 5}}, {"sample": None}]},
}
# None is what Python itself keeps for a module that must not be imported.
WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from hardneg_plugin.cli import main; main(sys.argv[1:])"


@pytest.fixture
def write(tmp_path):
    def written(**sections):
        path = tmp_path / "tried.yaml"
        path.write_text(yaml.safe_dump(RECIPE | sections), "utf-8")
        return str(path)

    return written


def says_yes(messages, schema):
    return "Yes."


def looked(*arguments):
    """Return the exit status, and name → check; of a name that is there twice, the last."""
    ran = CliRunner().invoke(main, ["doctor", *arguments, "--json"], catch_exceptions=False)
    return ran.exit_code, {check["name"]: check for check in json.loads(ran.stdout)}


class LlamaPages(ThreadingHTTPServer):
    """A server with the pages that llama.cpp has, as it answers them."""

    daemon_threads = True

    def __init__(self, pages):
        super().__init__(("127.0.0.1", 0), partial(_Pages, pages))

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Pages(BaseHTTPRequestHandler):
    def __init__(self, pages, *arguments):
        self._pages = pages
        super().__init__(*arguments)

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._send(self._pages.get(self.path))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(self._pages.get(self.path))

    def _send(self, page):
        data = json.dumps(page if page is not None else {"error": {"message": "not found"}}).encode()
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


LLAMA = {
    "/v1/models": {"object": "list", "data": [{"id": "tiny", "owned_by": "llamacpp", "meta": {"n_ctx_train": 8192}}]},
    "/props": {"build_info": "b10434-abc", "total_slots": 2, "default_generation_settings": {"n_ctx": 1024}},
    "/v1/chat/completions": {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "tiny",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yes."}}],
        "usage": {"prompt_tokens": 21, "completion_tokens": 3, "total_tokens": 24},
    },
}


def test_the_machine_alone(cache_folder):
    status, checks = looked()
    assert status == 0
    assert checks["Python"]["detail"].startswith(".".join(map(str, sys.version_info[:3])))
    assert str(cache_folder) in checks["cache"]["detail"]
    assert not cache_folder.exists()
    assert checks["hub"]["detail"].startswith("offline")
    assert "float32" in checks["processor"]["detail"]
    assert {"FAISS", "CUDA", "packages", "peft", "ray"} <= checks.keys()


def test_plain_lines_have_the_remedy_below(write):
    ran = CliRunner().invoke(main, ["doctor", write(data={"dataset": "beir:gone"})])
    assert ran.exit_code == 1
    lines = ran.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("missing  data.dataset: "))
    assert "there is no folder or file" in lines[at]
    assert lines[at + 1].strip() == "-> put it there, or give another: --set data.dataset=..."
    assert lines[-1] == "1 missing"


def test_a_recipe_that_can_run(write):
    status, checks = looked(write())
    assert status == 0
    assert checks["data.dataset"]["detail"] == "sample is here"
    assert "missing" not in {check["state"] for check in checks.values()}


def test_a_missing_file_of_further_passages(write):
    status, checks = looked(write(data={"dataset": "sample", "corpus": "gone.jsonl"}))
    assert status == 1
    assert "gone.jsonl" in checks["data.dataset"]["detail"]


def test_a_missing_model_of_the_hub_and_a_missing_folder(write):
    models = {"hub": "nobody/such-model", "folder": "./gone"}
    status, checks = looked(write(evaluate={"splits": ["test"], "models": models}))
    assert status == 1
    assert "nobody/such-model is not here, and the hub is offline" in checks["evaluate.models.hub"]["detail"]
    assert "HF_HUB_OFFLINE" in checks["evaluate.models.hub"]["remedy"]
    assert checks["evaluate.models.folder"]["state"] == "missing"


@pytest.mark.parametrize(("offline", "state", "status"), [(True, "missing", 1), (False, "warning", 0)])
def test_a_dataset_of_the_hub(write, monkeypatch, tmp_path, offline, state, status):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HARDNEG_HUB", raising=False)
    # Nobody listens there.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    found, checks = looked(write(data={"dataset": "mr-tydi:sw"}))
    assert (found, checks["mr-tydi:sw"]["state"]) == (status, state)
    assert "hardneg download mr-tydi:sw" in checks["mr-tydi:sw"]["remedy"]
    assert checks["hub"]["state"] == ("ok" if offline else "warning")


def test_a_dataset_that_the_disk_has_no_room_for(write, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HARDNEG_HUB", raising=False)
    monkeypatch.setattr("hardneg_plugin.run.doctor_recipe.free_disk", lambda _: 1000)
    status, checks = looked(write(data={"dataset": "mr-tydi:sw"}))
    assert status == 1
    assert "0.0 MB are free" in checks["mr-tydi:sw"]["detail"]


def test_mistakes_of_a_recipe(write):
    status, checks = looked(write(), "--set", "data.limit=-1")
    assert status == 1
    assert "data.limit" in checks["recipe"]["detail"]


def test_set_without_a_recipe_is_refused():
    ran = CliRunner().invoke(main, ["doctor", "--set", "data.limit=1"])
    assert ran.exit_code == 2
    assert "name one" in ran.output


def test_ollama(write):
    with OllamaServer(says_yes, context=2048) as server:
        status, checks = looked(write(llm={"url": server.url}))
    assert status == 0
    told = checks["llm server"]["detail"]
    assert "version 0.13.1" in told
    assert "context of the model 2048" in told
    assert "OLLAMA_NUM_PARALLEL" in told
    assert checks["llm answer"]["state"] == "ok"
    (body,) = server.bodies
    assert body["options"]["num_predict"] == 8


def test_ollama_without_the_model(write):
    with OllamaServer() as server:
        status, checks = looked(write(llm={"url": server.url, "model": "qwen3:8b"}))
    assert status == 1
    assert "ollama pull qwen3:8b" in checks["llm server"]["detail"]
    assert "llm answer" not in checks


def test_ollama_that_fails_at_the_question(write):
    with OllamaServer(fault=lambda number, body: "terminated") as server:
        status, checks = looked(write(llm={"url": server.url}))
    assert status == 1
    assert "insufficient memory" in checks["llm answer"]["detail"]


def test_no_server(write):
    status, checks = looked(write(llm={"url": "http://127.0.0.1:9"}))
    assert status == 1
    assert "http://127.0.0.1:9" in checks["llm server"]["detail"]
    assert checks["llm server"]["remedy"]


def test_llama_cpp(write):
    with LlamaPages(LLAMA) as server:
        status, checks = looked(write(llm={"api": "openai", "url": server.url, "model": "tiny"}))
    assert status == 0
    told = checks["llm server"]["detail"]
    assert "version b10434-abc" in told
    assert "context 1024" in told
    assert "parallel slots 2" in told
    assert "21 tokens read, 3 written" in checks["llm answer"]["detail"]


def test_a_server_that_does_not_list_the_model(write):
    two = {"object": "list", "data": [{"id": "one"}, {"id": "two"}]}
    with LlamaPages({**LLAMA, "/v1/models": two}) as server:
        status, checks = looked(write(llm={"api": "openai", "url": server.url, "model": "tiny"}))
    assert status == 0
    assert checks["llm model"]["state"] == "warning"
    assert "tiny" in checks["llm model"]["detail"]


def test_a_recording_asks_no_server(write, tmp_path):
    (tmp_path / "answers.jsonl").write_text("", "utf-8")
    status, checks = looked(write(llm={"recorded": "answers.jsonl", "url": "http://127.0.0.1:9"}))
    assert status == 0
    assert "no server is asked" in checks["llm"]["detail"]


def test_packages_that_a_recipe_needs(write, monkeypatch):
    installed = doctor.installed_version
    monkeypatch.setattr(doctor, "installed_version", lambda name: None if name == "ray" else installed(name))
    assert looked(write())[1]["ray"]["state"] == "warning"
    status, checks = looked(write(engine="ray"))
    assert status == 1
    assert checks["ray"]["state"] == "missing"
    assert "engine needs it" in checks["ray"]["detail"]
    assert checks["ray"]["remedy"] == "pip install 'hardneg[ray]'"


def test_a_required_package_of_a_wrong_version(monkeypatch):
    installed = doctor.installed_version
    monkeypatch.setattr(doctor, "installed_version", lambda name: "0.1" if name == "bm25s" else installed(name))
    status, checks = looked()
    assert status == 1
    assert checks["bm25s"]["detail"].startswith("0.1 is installed; >=")


def test_a_python_that_is_too_old():
    assert doctor.python_check("3.10.4").state == "missing"
    assert doctor.python_check("3.12.0").state == "ok"


def test_a_cache_in_a_place_that_is_no_folder(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("HARDNEG_CACHE", str(tmp_path / "file"))
    check = doctor.cache_check()
    assert check.state == "missing"
    assert "HARDNEG_CACHE" in check.remedy


def test_without_torch(write):
    """All else is looked at, the recipe's server too; what cannot be checked without torch is said."""
    with OllamaServer(says_yes) as server:
        recipe = write(llm={"url": server.url}, train={"base_model": "static"})
        arguments = [sys.executable, "-c", WITHOUT_TORCH, "doctor", recipe, "--json"]
        ran = subprocess.run(arguments, capture_output=True, text=True, check=False, env=os.environ)
    assert ran.returncode == 1, ran.stderr
    checks = {check["name"]: check for check in json.loads(ran.stdout)}
    assert checks["torch"]["state"] == "missing"
    assert checks["torch"]["remedy"]
    assert "`train` cannot be checked" in checks["recipe"]["detail"]
    assert checks["data.dataset"]["state"] == "ok"
    assert checks["llm answer"]["state"] == "ok"


def test_the_packages_are_told_without_importing_torch():
    code = (
        "import sys; from hardneg_plugin.run.doctor import package_checks, python_check; "
        "list(package_checks()); python_check(); print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert ran.stdout.strip() == "False"
