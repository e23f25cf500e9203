from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hardneg_plugin import cache
from hardneg_plugin.cli import main
from hardneg_plugin.errors import CacheError


def build_text(text):
    def build(folder: Path) -> None:
        (folder / "content.txt").write_text(text)

    return build


def never(folder):
    pytest.fail(f"{folder} was built again")


def test_root(monkeypatch, tmp_path):
    monkeypatch.setenv("HARDNEG_CACHE", str(tmp_path / "x"))
    assert cache.cache_root() == tmp_path / "x"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARDNEG_CACHE", "relative")
    assert cache.cache_root() == tmp_path / "relative"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HARDNEG_CACHE", "~/mine")
    assert cache.cache_root() == tmp_path / "home" / "mine"
    monkeypatch.setenv("HARDNEG_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_root() == tmp_path / "xdg" / "hardneg"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_root() == tmp_path / "home" / ".cache" / "hardneg"


def test_fingerprint():
    assert cache.fingerprint({"a": 1, "b": [2.5, None, "한"]}) == cache.fingerprint({"b": [2.5, None, "한"], "a": 1})
    values = [1, 1.5, "1", [1], {"1": 1}, None, True, "", [], {}, "\ud800", ["a", "b"], ["ab"], [["a"], "b"]]
    prints = [cache.fingerprint(value) for value in values]
    assert len(set(prints)) == len(values)
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in prints)
    # Keys of caches that people have: it must never change.
    assert cache.fingerprint(["bm25", 1.2]) == "33527d052c36ea39"
    with pytest.raises(TypeError):
        cache.fingerprint({"a", "set"})


def test_an_entry_is_built_once(cache_folder):
    position = cache.build_entry("bm25", "k1", build_text("one"))
    assert position == cache_folder / "bm25" / "k1" == cache.entry_path("bm25", "k1")
    assert (position / "content.txt").read_text() == "one"
    assert cache.build_entry("bm25", "k1", never) == position
    assert position.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in (cache_folder / "bm25").iterdir()] == ["k1"]


def test_a_build_that_fails_leaves_nothing(cache_folder):
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise ValueError(folder.name)

    with pytest.raises(ValueError, match=r"\.building-"):
        cache.build_entry("bm25", "k1", fail)
    assert list((cache_folder / "bm25").iterdir()) == []
    assert cache.build_entry("bm25", "k1", build_text("whole")).is_dir()


def test_of_two_builders_the_first_one_stays(cache_folder):
    def build(folder: Path) -> None:
        (folder / "content.txt").write_text("slow")
        # Another process finishes meanwhile.
        cache.build_entry("bm25", "k1", build_text("fast"))

    position = cache.build_entry("bm25", "k1", build)
    assert (position / "content.txt").read_text() == "fast"
    assert [path.name for path in (cache_folder / "bm25").iterdir()] == ["k1"]


def test_a_publication_that_cannot_be_is_an_error(tmp_path):
    staged = tmp_path / "staged"
    staged.mkdir()
    with pytest.raises(FileNotFoundError):
        cache.publish(staged, tmp_path / "no" / "folder")


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARDNEG_CACHE", str(tmp_path / "file"))
    with pytest.raises(CacheError, match=r"cannot write the cache folder .*file/bm25.*set HARDNEG_CACHE to a writable"):
        cache.build_entry("bm25", "k1", never)


def test_a_kind_that_cannot_be_written_is_named(cache_folder, monkeypatch):
    def refuse(**_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cache.tempfile, "mkdtemp", refuse)
    with pytest.raises(CacheError, match=r"cannot write the cache folder .*/bm25: .*Permission denied"):
        cache.build_entry("bm25", "k1", never)


def test_entries_and_clear(cache_folder):
    assert list(cache.entries()) == []
    assert cache.clear() == 0
    a, b, c = (digit * 16 for digit in "abc")
    cache.build_entry("bm25", b, build_text("12345"))
    cache.build_entry("bm25", a, build_text("1"))
    cache.build_entry("corpus", c, build_text("123"))
    (cache_folder / "sources").mkdir()
    (cache_folder / "sources" / f"{a}.json").write_text("{}")
    (cache_folder / "llm-cache.sqlite").write_text("answers that were paid for")
    assert [(entry.kind, entry.key, entry.size) for entry in cache.entries()] == [
        ("bm25", a, 1),
        ("bm25", b, 5),
        ("corpus", c, 3),
        ("sources", f"{a}.json", 2),
    ]
    assert cache.clear("bm25") == 6
    assert [entry.key for entry in cache.entries()] == [c, f"{a}.json"]
    assert cache.clear() == 5
    assert list(cache.entries()) == []
    assert (cache_folder / "llm-cache.sqlite").is_file()


def test_answers_of_language_models_are_shown_and_removed_only_by_their_kind(cache_folder):
    cache_folder.mkdir()
    (cache_folder / "llm-cache.sqlite").write_bytes(b"x" * 2_000_000)
    (cache_folder / "llm-cache.sqlite-wal").write_bytes(b"x" * 500_000)
    cache.build_entry("bm25", "a" * 16, build_text("12345"))
    run = CliRunner().invoke
    shown = run(main, ["cache"]).output.splitlines()
    assert [line.split() for line in shown[1:3]] == [
        ["2.0", "MB", "llm/llm-cache.sqlite"],
        ["0.5", "MB", "llm/llm-cache.sqlite-wal"],
    ]
    assert shown[-1].split()[:2] == ["2.5", "MB"]
    assert run(main, ["cache", "clear"]).output.splitlines() == [
        "freed 0.0 MB",
        "left 2.5 MB of answers of language models; `hardneg cache clear llm` removes them",
    ]
    assert [entry.path.name for entry in cache.answers()] == ["llm-cache.sqlite", "llm-cache.sqlite-wal"]
    assert run(main, ["cache", "clear", "llm"]).output == "freed 2.5 MB\n"
    assert list(cache_folder.glob("llm*")) == []
    assert "no entries of kind 'llm'" in run(main, ["cache", "clear", "llm"]).output


def test_clear_leaves_what_is_not_ours(cache_folder):
    foreign = ["thesis/chapter.tex", "corpus/my-texts/one.txt", "corpus/notes.txt", "bm25/README"]
    for name in foreign:
        (cache_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (cache_folder / name).write_text("precious")
    cache.build_entry("corpus", "0123456789abcdef", build_text("123"))
    assert cache.clear() == 3
    assert all((cache_folder / name).read_text() == "precious" for name in foreign)


@pytest.mark.parametrize("content", ["{", "[]", '{"corpus": "x"}', '{"corpus": "x", "left_out": 3, "examples": []}'])
def test_a_damaged_memo_is_read_again(cache_folder, tiny_beir, content):
    from hardneg_plugin.datasets import load_dataset

    key = load_dataset(f"beir:{tiny_beir}").corpus.key
    (memo,) = (cache_folder / "sources").iterdir()
    whole = memo.read_text()
    memo.write_text(content)
    assert load_dataset(f"beir:{tiny_beir}").corpus.key == key
    assert memo.read_text() == whole


def test_every_kind_that_is_written_is_known():
    from hardneg_plugin.search.dense.embedding_store import KIND

    assert KIND in cache.KINDS


@pytest.mark.integration
def test_a_killed_build_is_shown_cleared_and_never_taken_for_an_entry(cache_folder):
    code = """if True:
        import os
        from hardneg_plugin.cache import build_entry
        def die(folder):
            (folder / "half").write_text("half")
            os._exit(9)
        build_entry("bm25", "k1", die)
    """
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 9
    assert not cache.entry_path("bm25", "k1").exists()
    (left,) = cache.entries()
    assert left.key.startswith(".building-")
    assert (cache.build_entry("bm25", "f" * 16, build_text("whole")) / "content.txt").read_text() == "whole"
    assert cache.clear() == len("half") + len("whole")


def test_every_kind_that_is_written_is_shown_and_cleared():
    root = Path(cache.__file__).parent
    pattern = re.compile(
        r"^_?KIND = \"([a-z-]+)\"|(?:build_entry|staging_folder|entry_path)\(\"([a-z-]+)\"", re.MULTILINE
    )
    written = {one or other for path in root.rglob("*.py") for one, other in pattern.findall(path.read_text("utf-8"))}
    assert written <= {*cache.KINDS}
    assert written >= {"embeddings", "corpus"}
