"""How commands end: in one line where the machine or the input is at fault, and at once when they are interrupted."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from hardneg_plugin.cli import main
from hardneg_plugin.cli.endings import end_at_interrupt, reason_of
from hardneg_plugin.datasets.formats import FORMATS
from hardneg_plugin.errors import StorageError, WorkspaceError
from hardneg_plugin.files import write_atomically
from hardneg_plugin.outputs import check_output
from hardneg_plugin.run.workspace import Workspace

PAIRS = "".join(
    json.dumps({"anchor": f"question {n} about bees", "positive": f"bees number {n} dance in the hive"}) + "\n"
    for n in range(6)
)
RECIPE = "name: k\ndata: {dataset: 'jsonl:pairs.jsonl'}\nmine: [{bm25: }]\n"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return f"{result.exit_code} {result.output}"


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.jsonl").write_text(PAIRS)
    (tmp_path / "k.yaml").write_text(RECIPE)
    return tmp_path / "pairs.jsonl"


@pytest.mark.parametrize("target", sorted(FORMATS))
@pytest.mark.parametrize("output", ["out", "out.jsonl", "out.parquet"])
def test_rows_of_which_none_is_left_are_written(pairs, target, output):
    said = run("convert", pairs, output, "--to", target, "--min-negatives", "5")
    if "has several tables" in said:
        return
    assert said.startswith("0 "), said
    assert "0 written" in said
    assert Path(output).exists()


@pytest.mark.parametrize(
    "command",
    [
        ["mine", "pairs.jsonl", "-o", "file/x.jsonl"],
        ["convert", "pairs.jsonl", "file/x.jsonl", "--to", "triplet"],
        ["convert", "pairs.jsonl", "file/x", "--to", "triplet"],
        ["audit", "pairs.jsonl", "-o", "file/x.html"],
        ["audit", "pairs.jsonl", "--batch-plan", "file/x.jsonl"],
        ["mine", "pairs.jsonl", "-o", "/proc/x.jsonl"],
        ["mine", "pairs.jsonl", "-o", "n" * 250 + ".jsonl"],
    ],
)
def test_an_output_that_cannot_be_written_is_said_before_the_work(pairs, command, monkeypatch):
    Path("file").touch()
    monkeypatch.setattr("hardneg_plugin.datasets.files.open_bytes", lambda *_: pytest.fail("something was read"))
    said = run(*command)
    assert said.startswith("1 Error: cannot write "), said
    assert len(said.splitlines()) == 1


def test_a_disk_that_is_full_is_one_line_that_says_what_is_kept(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "a").write_text("before")
    with pytest.raises(StorageError, match=r"cannot write .*/a: No space left on device; what was finished"):
        write_atomically(tmp_path / "a", "after")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "before")]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        RuntimeError("database or disk is full"),
    ],
)
def test_a_full_disk_is_told_by_whatever_library_meets_it(error):
    outer = ValueError("cannot save")
    outer.__cause__ = error
    for raised in (error, outer):
        assert str(reason_of(raised)).startswith("the disk is full: ")
    assert reason_of(ValueError("a bug")) is None


def test_a_name_that_is_not_utf_8_is_an_error_before_the_work(pairs):
    name = os.fsdecode(b"caf\xe9")
    said = run("run", "k.yaml", "--runs", name)
    assert said.startswith("1 Error: "), said
    assert "is not UTF-8" in said
    assert not Path(name).exists()
    with pytest.raises(WorkspaceError, match="is not UTF-8"):
        Workspace.open(Path(name), "reuse")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_is_not_utf_8(pairs, encoding):
    Path("ko.jsonl").write_text('{"anchor": "질문", "positive": "서울 é"}\n', "utf-8")
    here = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "hardneg_plugin", "convert", "ko.jsonl", "서울.jsonl", "--to", "triplet"]
    ran = subprocess.run(command, env=here, capture_output=True)
    assert ran.returncode == 0, ran.stderr
    # The library of the command line writes UTF-8 where the system claims to know ASCII alone.
    assert (rb"\uc11c\uc6b8.jsonl" if encoding != "ascii" else "서울.jsonl".encode()) in ran.stderr


@pytest.mark.parametrize(
    ("stage", "key"), [("dense: {model: ./nowhere}", "dense.model"), ("cluster: {model: ./nowhere}", "cluster.model")]
)
def test_a_model_folder_that_is_missing_is_said_with_its_key(pairs, stage, key):
    Path("k.yaml").write_text(RECIPE.replace("bm25: ", stage))
    said = run("run", "k.yaml")
    assert said.startswith("1 "), said
    assert "nowhere" in said
    assert key in said
    assert "base_model" not in said


@pytest.mark.parametrize("position", ["llm", "stage"])
def test_a_key_in_a_recipe_is_refused_and_never_shown(pairs, position):
    generator = (
        "{type: haystack.components.generators.chat.openai.OpenAIChatGenerator, "
        "init_parameters: {api_key: sk-very-secret, model: m}}"
    )
    text = RECIPE.replace("[{bm25: }]", "[{bm25: }, {classify: {}}]") + f"llm: {{generator: {generator}}}\n"
    if position == "stage":
        text = RECIPE.replace("[{bm25: }]", f"[{{bm25: }}, {{classify: {{chat_generator: {generator}}}}}]")
    Path("k.yaml").write_text(text)
    for command in ("validate", "run"):
        said = run(command, "k.yaml")
        assert said.startswith("1 "), said
        assert "init_parameters.api_key: expected the name of an environment variable" in said
        assert "very-secret" not in said


def test_an_output_in_a_folder_that_is_missing_makes_it(tmp_path):
    check_output(tmp_path / "new" / "folder" / "x.jsonl")
    assert list((tmp_path / "new" / "folder").iterdir()) == []


# Whoever runs the tests in the background may have told its children to ignore interruptions.
SWALLOWING = """
import signal, sys
from pathlib import Path
from hardneg_plugin.cli import endings
signal.signal(signal.SIGINT, signal.default_int_handler)
endings.end_at_interrupt()
sys.path.insert(0, sys.argv[1])
import swallows
Path(sys.argv[1], "went_on").touch()
"""


def test_an_interrupt_while_a_library_loads_is_not_swallowed(tmp_path):
    # What libraries do around the imports that they can do without.
    (tmp_path / "slow.py").write_text(
        "import time\nfrom pathlib import Path\nPath(__file__).with_name('loading').touch()\n"
        "for _ in range(1200):\n    time.sleep(0.05)\n"
    )
    (tmp_path / "swallows.py").write_text("try:\n    import slow\nexcept BaseException:\n    pass\n")
    process = subprocess.Popen([sys.executable, "-c", SWALLOWING, str(tmp_path)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (tmp_path / "loading").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == b"Aborted!\n"
    assert not (tmp_path / "went_on").exists()


def test_an_interrupt_that_is_ignored_stays_ignored():
    # As under nohup, or behind an & of a script.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        end_at_interrupt()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
