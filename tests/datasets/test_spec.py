from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardneg_plugin.datasets import load_dataset, parse_spec, resolve_spec, with_options
from hardneg_plugin.datasets.spec import Spec, spec_of_file
from hardneg_plugin.errors import DatasetError

PATHS = [
    "data/msmarco",
    "/abs/with space/x.jsonl",
    "what?/data",
    "what?a=b/data",
    "ends?a=b",
    "ends?",
    "50%",
    "a%20b",
    "a#b&c=d;e+f",
    "자료/مجلد",
    "C:/x",
    " leading",
]


@pytest.mark.parametrize(
    ("spec", "kind", "path", "options"),
    [
        ("beir:data/msmarco", "beir", "data/msmarco", {}),
        ("sample", "sample", "", {}),
        ("sample?passages=5000&seed=1", "sample", "", {"passages": "5000", "seed": "1"}),
        ("jsonl:a b.jsonl?anchor=my+question", "jsonl", "a b.jsonl", {"anchor": "my question"}),
        ("csv:x?anchor=%ED%95%9C%3F%26", "csv", "x", {"anchor": "한?&"}),
        ("parquet:50%25?anchor=a", "parquet", "50%25", {"anchor": "a"}),
        ("beir:what?/data?", "beir", "what?/data", {}),
        ("beir:what?/data?on_bad_row=skip", "beir", "what?/data", {"on_bad_row": "skip"}),
        ("jsonl:x?language=", "jsonl", "x", {"language": ""}),
    ],
)
def test_parse(spec, kind, path, options):
    assert parse_spec(spec) == Spec(kind, path, options)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("options", [{}, {"anchor": "q"}, {"anchor": "a b?&=#%+/한", "positive": "x"}])
def test_text_of_a_spec_gives_the_spec_again(path, options):
    spec = Spec("jsonl", path, options)
    assert parse_spec(str(spec)) == spec


@given(
    path=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    options=st.dictionaries(st.text("abc_", min_size=1), st.text(st.characters(exclude_categories=["Cs"]))),
)
def test_any_path_and_options_come_back(path, options):
    spec = Spec("beir", path, options)
    assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "expected sample, beir:FOLDER"),
        ("data/msmarco", "expected sample, beir:FOLDER"),
        ("beir", "expected sample, beir:FOLDER"),
        ("beir:", "expected sample, beir:FOLDER"),
        ("beir:?on_bad_row=skip", "expected sample, beir:FOLDER"),
        ("sample:x", "expected sample, beir:FOLDER"),
        ("hub:x", "expected sample, beir:FOLDER"),
        ("beir:x?skip", "expected options as in .*got 'skip'; a path that holds a question mark must end in one"),
        ("beir:x?a=b&", "expected options as in"),
        ("beir:x?a=%FF", "expected options as in"),
        ("beir:x?on_bad_row=skip&on_bad_row=error", "an option is given twice"),
    ],
)
def test_what_is_no_spec(spec, message):
    with pytest.raises(DatasetError, match=message):
        parse_spec(spec)


@pytest.mark.parametrize("path", [path for path in PATHS if not path.startswith("/")])
def test_resolve_counts_from_the_folder(tmp_path, path):
    resolved = parse_spec(resolve_spec(str(Spec("beir", path, {"on_bad_row": "skip"})), tmp_path))
    assert resolved == Spec("beir", str(tmp_path / path), {"on_bad_row": "skip"})


def test_resolve_leaves_alone_what_has_no_relative_path(tmp_path, monkeypatch):
    assert resolve_spec("sample?seed=3", tmp_path) == "sample?seed=3"
    assert resolve_spec("beir:/somewhere/x", tmp_path) == "beir:/somewhere/x"
    assert resolve_spec("beir:../x", tmp_path / "recipes") == f"beir:{tmp_path / 'x'}"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert resolve_spec("beir:~/x", tmp_path) == f"beir:{tmp_path / 'home' / 'x'}"
    assert resolve_spec("beir:~x", tmp_path) == f"beir:{tmp_path / '~x'}"


def test_with_options():
    assert with_options("sample", {"seed": 3}) == "sample?seed=3"
    assert with_options("sample?seed=3", {"seed": 3, "passages": 1000}) == "sample?seed=3&passages=1000"
    assert with_options("beir:a?b?", {"on_bad_row": "skip"}) == "beir:a?b?on_bad_row=skip"
    assert with_options("beir:x", {}) == "beir:x"
    with pytest.raises(DatasetError, match="says seed=3, the recipe says 4"):
        with_options("sample?seed=3", {"seed": 4})


@pytest.mark.parametrize("name", ["with space", "what?a=b", "100%20#1", "자료 مجلد", "a&b=c"])
def test_folders_of_any_name_can_be_loaded(make_beir, name):
    folder = make_beir(name=name)
    spec = str(Spec("beir", str(folder), {}))
    dataset = load_dataset(with_options(resolve_spec(spec, folder.parent), {"on_bad_row": "skip"}))
    assert len(dataset.corpus) == 12
    assert dataset.name == name


def test_home_folder(make_beir, monkeypatch):
    folder = make_beir(name="mine")
    monkeypatch.setenv("HOME", str(folder.parent))
    assert len(load_dataset("beir:~/mine").corpus) == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("?seed=1", "unknown option seed; beir takes on_bad_row, max_text_chars, max_row_bytes, max_unpacked_bytes, "),
        ("?max_text_chars=many", "max_text_chars must be a whole number, got 'many'"),
        ("?max_text_chars=-1", "max_text_chars must be a whole number, got '-1'"),
    ],
)
def test_options_that_beir_does_not_take(tiny_beir, options, message):
    with pytest.raises(DatasetError, match=message):
        load_dataset(f"beir:{tiny_beir}{options}")


def test_options_that_the_sample_does_not_take():
    with pytest.raises(DatasetError, match="unknown option size; sample takes passages, seed, on_bad_row"):
        load_dataset("sample?size=3")
    with pytest.raises(DatasetError, match="passages must be a whole number, got '1e3'"):
        load_dataset("sample?passages=1e3")


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        ("pairs.jsonl", "jsonl:pairs.jsonl"),
        ("my data/pairs.jsonl.gz", "jsonl:my data/pairs.jsonl.gz"),
        ("pairs.csv", "csv:pairs.csv"),
        ("pairs.tsv.gz", "csv:pairs.tsv.gz"),
        ("/data/pairs.parquet?anchor=q&on_bad_row=skip", "parquet:/data/pairs.parquet?anchor=q&on_bad_row=skip"),
        ("C:/pairs.csv", "csv:C:/pairs.csv"),
        ("jsonl:pairs.jsonl", "jsonl:pairs.jsonl"),
        ("csv:pairs.jsonl", "csv:pairs.jsonl"),
        ("beir:folder.csv", "beir:folder.csv"),
        ("beir:folder", "beir:folder"),
        ("sample?passages=1000", "sample?passages=1000"),
        ("sample", "sample"),
        ("pairs.txt", "pairs.txt"),
    ],
)
def test_the_spec_of_a_file(given, spec):
    assert spec_of_file(given) == spec
