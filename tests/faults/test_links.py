"""Links that came with a run folder or a cache are not followed for writing."""

from __future__ import annotations

import os

import pytest

from hardneg_plugin import cache
from hardneg_plugin.errors import CacheError, StorageError, WorkspaceError
from hardneg_plugin.files import atomic_path, write_atomically
from hardneg_plugin.llm.reply_cache import ReplyCache
from hardneg_plugin.run.workspace import Workspace, read_json, write_json


@pytest.fixture
def victim(tmp_path):
    (tmp_path / "victim").write_text("mine")
    yield tmp_path / "victim"
    assert (tmp_path / "victim").read_text() == "mine"


@pytest.mark.parametrize("name", [".manifest.json.partial", "manifest.json", "stages", "DONE", ".lock", ".hardneg-run"])
@pytest.mark.parametrize("if_exists", ["reuse", "overwrite"])
def test_a_run_folder_with_a_link_is_refused(tmp_path, victim, name, if_exists):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".hardneg-run").touch()
    (folder / name).unlink(missing_ok=True)
    target = victim if name != "stages" else tmp_path
    (folder / name).symlink_to(target)
    with pytest.raises(WorkspaceError, match=r"is a link|is no run folder"), Workspace.open(folder, if_exists):
        pass


def test_a_link_in_the_place_of_a_file_or_of_its_half_is_not_followed(tmp_path, victim):
    for name in ("a.json", ".a.json.partial"):
        (tmp_path / name).symlink_to(victim)
    write_json(tmp_path / "a.json", {"ours": 1})
    assert read_json(tmp_path / "a.json") == {"ours": 1}
    assert not (tmp_path / "a.json").is_symlink()


def test_a_file_under_the_name_that_was_drawn_is_not_overwritten(tmp_path, victim, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda _: "00")
    (tmp_path / ".a.00.partial").symlink_to(victim)
    with pytest.raises(StorageError, match=r"cannot write .*/a: File exists"):
        write_atomically(tmp_path / "a", "ours")


@pytest.mark.parametrize("kind", ["corpus", "sources", "embeddings"])
def test_a_cache_with_a_link_is_refused(tmp_path, cache_folder, kind):
    (tmp_path / "elsewhere").mkdir()
    cache_folder.mkdir()
    (cache_folder / kind).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CacheError, match="is a link, and hardneg writes through none in its cache"):
        cache.build_entry(kind, "a" * 16, lambda folder: None)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_cache_folder_itself_may_be_a_link(tmp_path, cache_folder):
    (tmp_path / "disk").mkdir()
    cache_folder.symlink_to(tmp_path / "disk")
    assert cache.build_entry("bm25", "a" * 16, lambda folder: None).is_dir()


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path):
    (tmp_path / "a").write_text("before")

    def fail() -> None:
        with atomic_path(tmp_path / "a") as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "before"


def test_a_file_has_the_permissions_of_any_other(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_answers_are_not_written_through_a_link(tmp_path, victim):
    before = victim.read_bytes()
    (tmp_path / "llm-cache.sqlite").symlink_to(victim)
    cache = ReplyCache(tmp_path / "llm-cache.sqlite")
    with pytest.raises(CacheError, match=r"llm-cache\.sqlite is a link"):
        len(cache)
    assert victim.read_bytes() == before
