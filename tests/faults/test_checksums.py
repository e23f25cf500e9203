"""Checksums: what they notice, what they leave alone, and what is done about damage."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hardneg_plugin import cache, checksums
from hardneg_plugin.datasets import file_stamps, load_dataset
from hardneg_plugin.errors import CacheError, RecordError, TrainingError, WorkspaceError
from hardneg_plugin.llm.generated import read_passages
from hardneg_plugin.llm.request import LLMReply
from hardneg_plugin.recipe.json_files import read_json, write_json, written_text
from hardneg_plugin.records import MiningExample, read_parquet, write_parquet
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.records.parquet import parquet_fault
from hardneg_plugin.search.bm25.index import BM25Index
from hardneg_plugin.search.dense.embedding_store import load_valid_shard


def flip(path: Path, position: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def test_a_folder_says_which_of_its_files_is_damaged(tmp_path):
    (tmp_path / "inner").mkdir()
    for name in ("a", "inner/b"):
        (tmp_path / name).write_bytes(b"some content")
    assert checksums.folder_fault(tmp_path) == ""
    checksums.seal_folder(tmp_path)
    assert checksums.folder_fault(tmp_path) == ""
    flip(tmp_path / "inner" / "b", 3)
    assert checksums.folder_fault(tmp_path) == f"{tmp_path}/inner/b does not hold what was written"
    (tmp_path / "inner" / "b").write_bytes(b"some")
    assert checksums.folder_fault(tmp_path) == f"{tmp_path}/inner/b has 4 bytes, and 12 were written"
    (tmp_path / "inner" / "b").unlink()
    assert checksums.folder_fault(tmp_path) == f"{tmp_path}/inner/b cannot be read: No such file or directory"


def test_a_damaged_seal_is_damage(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    for content in (b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"files": {"a": 3}}', b'{"files": {"a": [1]}}'):
        (tmp_path / checksums.SEAL).write_bytes(content)
        assert str(tmp_path / checksums.SEAL) in checksums.folder_fault(tmp_path)


def test_every_bit_of_a_part_counts(tmp_path):
    path = tmp_path / "part-00000.parquet"
    write_parquet(path, [MiningExample("q", "query", ())])
    assert parquet_fault(path) == ""
    content = path.read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        assert str(path) in parquet_fault(path), position
        with pytest.raises(RecordError, match="part-00000"):
            read_parquet(path)


@pytest.mark.parametrize("length", [0, 1, 4, 100, -1])
def test_a_part_that_was_cut_is_damaged(tmp_path, length):
    path = tmp_path / "part-00000.parquet"
    write_parquet(path, [MiningExample("q", "query", ())])
    path.write_bytes(path.read_bytes()[:length])
    assert str(path) in parquet_fault(path)


def test_a_part_from_before_there_were_checksums_is_read(tmp_path):
    path = tmp_path / "part-00000.parquet"
    write_parquet(path, [MiningExample("q", "query", ())])
    table = pq.read_table(path).replace_schema_metadata({"hardneg": '{"format": 1, "corpus": null}'})
    pq.write_table(table, path)
    assert [example.id for example in read_parquet(path)] == ["q"]
    assert pa.__version__


def test_json_of_a_run(tmp_path):
    path = tmp_path / "counts.json"
    write_json(path, {"kept": 3, "dropped": {"margin": 0.1}, "ids": {7: "seven"}})
    assert read_json(path, "kept") == {"kept": 3, "dropped": {"margin": 0.1}, "ids": {"7": "seven"}}
    path.write_text(path.read_text().replace("3", "2", 1))
    with pytest.raises(WorkspaceError, match=r"counts\.json is .* \(its content is not what was written"):
        read_json(path)
    for content in (b"", b"{}", b"[1]", b"\xff", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(WorkspaceError, match=r"counts\.json is missing or damaged"):
            read_json(path, "kept")


def test_text_carries_its_checksum_as_a_comment(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(checksums.sealed_text("margin: 0.05\n"))
    assert written_text(path).startswith("margin: 0.05\n# checksum: ")
    for position in range(len("margin: 0.05\n")):
        flip(path, position)
        with pytest.raises(WorkspaceError, match=r"recipe\.yaml is not as the run wrote it"):
            written_text(path)
        flip(path, position)
    path.write_text("margin: 0.05\n")
    assert written_text(path) == "margin: 0.05\n"


def test_every_bit_of_stored_vectors_counts(tmp_path):
    path = tmp_path / "part-00000.npy"
    np.save(path, np.ones((3, 4), np.float32))
    size = path.stat().st_size
    assert load_valid_shard(path, 3, 4) is not None
    checksums.append_checksum(path)
    assert np.array_equal(load_valid_shard(path, 3, 4), np.ones((3, 4)))
    content = path.read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        assert load_valid_shard(path, 3, 4) is None, position
    path.write_bytes(content[: size - 8] + bytes(len(content) - size + 8))
    assert load_valid_shard(path, 3, 4) is None


def test_a_damaged_entry_is_built_again_with_a_line(cache_folder, caplog):
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "values").write_bytes(b"123")

    key = "a" * 16
    position = cache.build_entry("bm25", key, build)
    assert cache.build_entry("bm25", key, build) == position
    flip(position / "values", 1)
    assert cache.build_entry("bm25", key, build) == position
    assert (position / "values").read_bytes() == b"123"
    assert len(built) == 2
    assert f"{position}/values does not hold what was written" in caplog.text
    assert [path.name for path in (cache_folder / "bm25").iterdir()] == [key]


def test_a_damaged_index_is_searched_as_if_it_were_sound(make_corpus):
    corpus = make_corpus(["a river", "a sea", "two rivers and a river"])
    found = BM25Index(corpus).search(["river"], ["en"], 3)
    for path in sorted((cache.cache_root() / "bm25").glob("*/*")):
        flip(path, path.stat().st_size - 2)
        again = BM25Index(corpus).search(["river"], ["en"], 3)
        assert np.array_equal(again.rows, found.rows), path
        assert np.array_equal(again.scores, found.scores, equal_nan=True), path


def test_a_damaged_corpus_is_named_or_read_again(tiny_beir):
    from hardneg_plugin.records import corpus as module

    corpus = load_dataset(f"beir:{tiny_beir}").corpus
    texts = list(corpus.iter_texts())
    for name in ("passages.arrow", "id_hashes.npy", "id_rows.npy", "corpus.json"):
        position = cache.entry_path("corpus", corpus.key) / name
        flip(position, position.stat().st_size // 2)
        module._open.cache_clear()
        with pytest.raises(CacheError, match=rf"{name} does not hold what was written.*hardneg cache clear corpus"):
            Corpus.open(corpus.key)
        assert list(load_dataset(f"beir:{tiny_beir}").corpus.iter_texts()) == texts


def test_a_file_that_changed_within_the_same_size_and_time_is_noticed(tiny_beir):
    path = tiny_beir / "corpus.jsonl"
    before = path.stat()
    assert "Amazon" in next(load_dataset(f"beir:{tiny_beir}").corpus.iter_texts())
    path.write_text(path.read_text("utf-8").replace("Amazon", "Orinok"), "utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert "Orinok" in next(load_dataset(f"beir:{tiny_beir}").corpus.iter_texts())


def test_a_large_file_is_hashed_once_for_as_long_as_it_stays_the_same(tmp_path, cache_folder, monkeypatch):
    path = tmp_path / "large"
    path.write_bytes(b"content")
    hashed = []
    digest = file_stamps.file_digest
    monkeypatch.setattr(file_stamps, "file_digest", lambda file: hashed.append(file) or digest(file))
    monkeypatch.setattr(file_stamps, "_LARGE", 3)
    # Just written: its times may not tell the next change.
    first = [file_stamps.content_stamp(path) for _ in range(2)]
    assert len(hashed) == 2
    monkeypatch.setattr(file_stamps, "_STEP", -(10**12))
    later = [file_stamps.content_stamp(path) for _ in range(3)]
    assert len(hashed) == 3
    assert len({*first, *later}) == 1
    stat = path.stat()
    path.write_bytes(b"CONTENT")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file_stamps.content_stamp(path) != first[0]
    (memo,) = (cache_folder / "sources").iterdir()
    flip(memo, 40)
    assert file_stamps.content_stamp(path) == digest(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r'{"passages": ["half a pair \ud800 of surrogates"]}', "broken characters"),
        (r'{"passages": ["sound", "a \u0000 byte"]}', "broken characters"),
        ("[" * 100_000, "not JSON"),
        ('{"passages": ' + "[" * 100_000, "not JSON"),
    ],
)
def test_a_passage_that_no_table_can_hold_is_no_passage(text, reason):
    read = read_passages(LLMReply(text, "stop"), 2)
    assert (read.texts, read.reason) == ((), reason)


def test_a_damaged_model_is_named_with_the_remedy(tmp_path):
    from hardneg_plugin.training.folder import TrainingFolder
    from hardneg_plugin.training.result import TrainingResult

    folder = TrainingFolder(tmp_path / "seed-5")
    folder.begin({"loss": "triplet"})
    (folder.staged_model() / "model.safetensors").write_bytes(b"weights")
    (folder.partial / "README.md").write_text("card")
    result = TrainingResult(folder.model, "static", 1, 1, 1, 1.0, 1.0, 0.5, (), 0.1, 0, "fp32", "cpu")
    folder.finish({"loss": "triplet"}, result)
    (folder.model / "README.md").write_text("a card that somebody went on writing")
    assert folder.open({"loss": "triplet"}, resume=True) == result
    flip(folder.model / "model.safetensors", 0)
    with pytest.raises(TrainingError, match=r"model\.safetensors does not hold what was written; put it back"):
        folder.open({"loss": "triplet"}, resume=True)
    record = json.loads((tmp_path / "seed-5" / "training.json").read_text())
    record["result"]["train_loss"] = 0.4
    (tmp_path / "seed-5" / "training.json").write_text(json.dumps(record))
    with pytest.raises(TrainingError, match=r"training\.json is damaged.*remove .*seed-5"):
        folder.open({"loss": "triplet"}, resume=True)


def test_training_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path, caplog):
    from hardneg_plugin.training.folder import TrainingFolder

    folder = TrainingFolder(tmp_path)
    for step in (3, 6):
        checkpoint = folder.checkpoints / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "optimizer.pt").write_bytes(b"state")
        (checkpoint / "trainer_state.json").write_text("{}")
        checksums.seal_folder(checkpoint)
    assert folder.last_checkpoint() == folder.checkpoints / "checkpoint-6"
    flip(folder.checkpoints / "checkpoint-6" / "optimizer.pt", 0)
    assert folder.last_checkpoint() == folder.checkpoints / "checkpoint-3"
    assert "optimizer.pt does not hold what was written; training goes on from what is before it" in caplog.text
