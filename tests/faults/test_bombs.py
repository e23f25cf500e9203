"""Small files that stand for large ones: aliases, nesting, packed rows, packed files, archives."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zipfile

import pytest

from hardneg_plugin.datasets import limits, load_dataset
from hardneg_plugin.datasets.remote import local_copy
from hardneg_plugin.errors import DatasetError, RecipeError
from hardneg_plugin.recipe.yaml_text import parse_yaml

PAIR = b'{"anchor": "who", "positive": "he"}\n'


def aliases(levels: int, times: int) -> str:
    lines = ["l0: &l0 [x]"] + [f"l{i}: &l{i} [{','.join([f'*l{i - 1}'] * times)}]" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (aliases(9, 9), "stands for more than 20,000 values, with its aliases"),
        ("a: &a [*a]", "an alias to what it stands in"),
        ("a: &a {b: [*a]}", "an alias to what it stands in"),
        ("a: " + "[" * 5000, "nested more than 60 deep"),
        ("a: " + "{a: " * 5000, "nested more than 60 deep"),
        ("\n".join(" " * i + "a:" for i in range(200)), "nested more than 60 deep"),
        ("a: [" + "x," * 30_000 + "]", "more than 20,000 values"),
        ("a: " + "x" * 2_000_000, "2,000,003 characters, more than 1,000,000"),
    ],
)
def test_yaml_that_stands_for_more(text, problem):
    with pytest.raises(RecipeError, match=problem):
        parse_yaml(text, "recipe.yaml")


def test_aliases_of_a_usual_recipe_are_read():
    assert parse_yaml("a: &a {k: 1}\nb: [*a, *a]", "recipe.yaml") == {"a": {"k": 1}, "b": [{"k": 1}, {"k": 1}]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("1:30", "1:30"),
        ("0x", "0x"),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", 1000),
        ("no", "no"),
        ("=", "="),
        ("1e-3", 0.001),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = parse_yaml(f"a: {text}", "recipe.yaml")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "9" * 5000,
        "!!int x",
        "!!float x",
        "!!bool x",
        "!!binary '*'",
        "2026-02-30",
        "!!set {a}",
        '"\\ud800"',
    ],
)
def test_scalars_that_cannot_be_read_have_their_line(text):
    with pytest.raises(RecipeError, match=r"^recipe\.yaml:2: "):
        parse_yaml(f"name: x\na: {text}", "recipe.yaml")


@pytest.fixture
def bomb(tmp_path):
    """A row of 100 MB in a file of 100 KB, between two sound ones."""
    with gzip.open(tmp_path / "bomb.jsonl.gz", "wb", 9) as file:
        file.write(PAIR + b'{"anchor": "a", "positive": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + PAIR.replace(b"he", b"she"))
    return tmp_path / "bomb.jsonl.gz"


def test_a_row_above_the_limit_is_a_bad_row(bomb):
    tracemalloc.start()
    dataset = load_dataset(f"jsonl:{bomb}?on_bad_row=skip")
    assert len(dataset.corpus) == 2
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 90_000_000
    assert dataset.left_out["corpus"] == {"too long": 1}
    with pytest.raises(
        DatasetError, match=r"gz:2: the row has 100,000,03\d bytes, more than max_row_bytes = 33,554,432"
    ):
        _ = load_dataset(f"jsonl:{bomb}").corpus


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv"])
def test_the_limit_of_a_row_is_a_key(tmp_path, ending):
    path = tmp_path / f"rows.{ending}"
    sign = {"csv": ",", "tsv": "\t"}.get(ending, "")
    long = "y" * 3000
    rows = {
        "jsonl": f'{{"anchor": "a", "positive": "{long}"}}\n{{"anchor": "b", "positive": "p"}}\n',
    }.get(ending, f"anchor{sign}positive\na{sign}{long}\nb{sign}p\n")
    path.write_text(rows)
    kind = "jsonl" if ending == "jsonl" else "csv"
    small = load_dataset(f"{kind}:{path}?on_bad_row=skip&max_row_bytes=1000")
    assert [small.corpus.text(row) for row in range(len(small.corpus))] == ["p"]
    assert small.left_out["corpus"] == {"too long": 1}
    assert len(load_dataset(f"{kind}:{path}?max_row_bytes=5000").corpus) == 2


def test_the_limit_of_a_packed_file_is_a_key(tmp_path):
    with gzip.open(tmp_path / "rows.jsonl.gz", "wb", 9) as file:
        file.writelines(b'{"anchor": "a%d", "positive": "p"}\n' % number for number in range(1000))
    with pytest.raises(DatasetError, match="unpacks to more than 5,000 bytes; if that is right, .max_unpacked_bytes"):
        _ = load_dataset(f"jsonl:{tmp_path / 'rows.jsonl.gz'}?max_unpacked_bytes=5000").corpus
    assert len(load_dataset(f"jsonl:{tmp_path / 'rows.jsonl.gz'}?max_unpacked_bytes=500000").corpus) == 1


def test_an_archive_that_unpacks_to_far_more_is_refused_before_it_is_written(tmp_path, cache_folder, monkeypatch):
    monkeypatch.setattr(limits, "_ALWAYS", 1_000_000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d/corpus.jsonl", b"0" * 20_000_000)
    with pytest.raises(DatasetError, match=r"unpacks to more than [34],\d{3},\d{3} bytes"):
        local_copy(f"zip://d::{tmp_path / 'bomb.zip'}")
    assert not cache_folder.exists()
    with pytest.raises(DatasetError, match=r"unpacks to more than 10 bytes"):
        local_copy(f"zip://d::{tmp_path / 'bomb.zip'}", max_bytes=10)


def test_a_recipe_of_aliases_ends_at_once(tmp_path):
    started = time.monotonic()
    with pytest.raises(RecipeError):
        parse_yaml(aliases(30, 30), "recipe.yaml")
    assert time.monotonic() - started < 10
