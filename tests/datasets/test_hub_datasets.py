"""Datasets of the hub, read from files of the same layout: by hand what every part must give."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from hub_files import TRAPS, small_catalogue, write, write_hub, write_parquet

from hardneg_plugin import load_dataset
from hardneg_plugin.cli import main
from hardneg_plugin.datasets import dataset_sizes
from hardneg_plugin.datasets.hub import catalogue, hub_names
from hardneg_plugin.errors import DatasetError


@pytest.fixture
def hub(tmp_path, monkeypatch, cache_folder):
    """A folder that a person filled by hand."""
    write_hub(tmp_path / "hub")
    monkeypatch.setenv("HARDNEG_HUB", str(tmp_path / "hub"))
    monkeypatch.setattr(catalogue, "CATALOGUE", small_catalogue(tmp_path / "catalogue.yaml"))
    return tmp_path / "hub"


def passages(dataset):
    corpus = dataset.corpus
    rows = range(len(corpus))
    return dict(zip(corpus.ids(rows), corpus.texts(rows), strict=True))


def queries(dataset, split):
    return {query.id: query.text for query in dataset.queries(split)}


def test_msmarco_has_all_shards_and_the_judgements_of_every_split(hub):
    dataset = load_dataset("msmarco")
    assert passages(dataset) == {str(n): text for n, text in enumerate(TRAPS)}
    assert dataset.splits == ("train", "dev", "dl19")
    assert dataset.qrels("dl19") == {"12": {"2": 3, "3": 0}}
    assert queries(dataset, "train") == {"10": "query 10"}
    assert dataset.languages == ("en",)


def test_trec_2020_has_the_same_corpus(hub):
    dataset = load_dataset("msmarco-dl20")
    assert dataset.corpus.key == load_dataset("msmarco").corpus.key
    assert dataset.qrels("dl20") == {"20": {"4": 2, "5": 0}}
    assert queries(dataset, "dl20") == {"20": "NA"}


def test_triplets_give_each_text_once(hub):
    dataset = load_dataset("msmarco-bm25")
    assert sorted(passages(dataset).values()) == ["NULL", "n1", "n2", "p1"]
    assert sorted(queries(dataset, "train").values()) == ["q1", "q2"]
    assert sorted(len(judged) for judged in dataset.qrels("train").values()) == [1, 1]


def test_mr_tydi_reads_queries_with_their_passages(hub):
    dataset = load_dataset("mr-tydi:sw")
    assert passages(dataset)["1#0"] == f"Kichwa {TRAPS[1]}"
    assert dataset.qrels("train") == {"1": {"1#0": 1}, "9": {"4#0": 1}}
    assert queries(dataset, "test") == {"3": "swali 3?"}
    assert [query.language for query in dataset.queries("dev")] == ["sw"]


def test_the_training_part_of_mr_tydi_is_its_own_corpus(hub):
    dataset = load_dataset("mr-tydi-train:sw")
    assert sorted(passages(dataset)) == ["0#0", "1#0", "4#0"]
    assert dataset.splits == ("train",)


def test_the_triplets_of_mr_tydi_have_columns_of_their_own_names(hub):
    dataset = load_dataset("mr-tydi-triplets:sw")
    assert sorted(passages(dataset).values()) == ["NA", "n1", "n2"]
    assert list(queries(dataset, "train").values()) == ["swali?"]
    ((judged,),) = [list(judged) for judged in dataset.qrels("train").values()]
    assert passages(dataset)[judged] == "NA"
    assert [query.language for query in dataset.queries("train")] == ["sw"]


def test_the_first_rows_of_ready_triplets_are_a_dataset(hub):
    dataset = load_dataset("msmarco-bm25?rows=2")
    assert sorted(passages(dataset).values()) == ["n1", "n2", "p1"]
    assert list(queries(dataset, "train").values()) == ["q1"]
    assert dataset.corpus.key != load_dataset("msmarco-bm25").corpus.key
    first = load_dataset("mr-tydi-train:sw?rows=1 + mr-tydi-triplets:sw?rows=1")
    assert len(first.qrels("train")) == 2
    assert len(first.corpus) == 5


def test_the_first_rows_of_a_collection_are_refused(hub):
    known = "msmarco-bm25, mr-tydi-train, mr-tydi-triplets"
    with pytest.raises(DatasetError, match=f"mr-tydi:sw: its judgements need all passages; .* can be had of {known}$"):
        load_dataset("mr-tydi:sw?rows=5")
    with pytest.raises(DatasetError, match="msmarco-bm25: rows must be at least 1, got 0"):
        load_dataset("msmarco-bm25?rows=0")
    refused = CliRunner().invoke(main, ["download", "nano-msmarco", "--limit", "5"])
    assert refused.exit_code == 1
    assert f"can be had of {known}" in refused.output


def test_gold_passages_are_those_of_the_language(hub):
    dataset = load_dataset("tydiqa-goldp:sw")
    assert list(passages(dataset).values()) == ["NULL"]
    (query,) = dataset.queries("train")
    assert (query.id, query.answers) == ("swahili-1-0", ("a", "b"))
    assert queries(dataset, "dev") == {"swahili-2-0": "pili?"}


def test_mmarco_reads_cells_as_they_stand(hub):
    dataset = load_dataset("mmarco:de")
    assert list(passages(dataset).values()) == TRAPS
    assert queries(dataset, "dev") == {"11": "NA"}
    assert dataset.qrels("train") == {"10": {"0": 1}}


@pytest.mark.parametrize(
    ("spec", "split", "qrels"),
    [
        ("mmarco-small:de", "dev", {"11": {"1": 1}}),
        ("nano-msmarco", "test", {"q0": {"p1": 1}}),
        ("nano-miracl:sw", "test", {"q0": {"p1": 1, "p2": 1}}),
    ],
)
def test_small_sets_read_their_ids_as_text(hub, spec, split, qrels):
    dataset = load_dataset(spec)
    assert list(passages(dataset).values()) == TRAPS
    assert dataset.qrels(split) == qrels


def test_several_languages_are_one_dataset(hub):
    union = load_dataset("mr-tydi:sw?gold=test + mmarco-small:de")
    assert union.splits == ("test", "dev")
    assert union.languages == ("de", "sw")


def test_a_file_with_other_rows_is_refused(hub):
    write(hub / "BeIR/msmarco-qrels/dev.tsv", "11\t1\t1\n11\t2\t1\n")
    with pytest.raises(DatasetError, match=r"dev.tsv: expected 1 rows .*, got 2; another release"):
        load_dataset("msmarco").qrels("dev")


def test_a_column_that_is_not_there_is_named(hub):
    path = hub / "sentence-transformers/NanoBEIR-en/queries/NanoMSMARCO-00000-of-00001.parquet"
    write_parquet(path, [{"id": "q0", "text": "x"}])
    with pytest.raises(DatasetError, match=r"NanoMSMARCO-00000-of-00001.parquet:1: no column _id; columns: id, text"):
        load_dataset("nano-msmarco").queries("test")


def test_a_partial_conversion_is_refused(hub):
    corpus = hub / "sentence-transformers/msmarco/corpus"
    (corpus / "partial-train").mkdir()
    part = catalogue.HubPart(files="corpus/*/*.parquet", kind="parquet", repo="sentence-transformers/msmarco")
    (corpus / "train-00000-of-00002.parquet").rename(corpus / "partial-train/0000.parquet")
    from hardneg_plugin.datasets.hub.location import local_files

    with pytest.raises(DatasetError, match="0000.parquet: a partial conversion, whose rows are not all"):
        local_files(part)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mr-tydi", "expected mr-tydi:LANG with one of ar, bn"),
        ("mr-tydi:de", "expected mr-tydi:LANG with one of ar, bn"),
        ("msmarco:en", "expected msmarco alone"),
        ("ms-marco", "or a dataset of the hub .msmarco, msmarco-dl20"),
    ],
)
def test_a_wrong_name_says_what_there_is(spec, message):
    with pytest.raises(DatasetError, match=message):
        load_dataset(spec)


def test_without_a_network_it_says_what_to_put_where(monkeypatch, tmp_path, cache_folder):
    monkeypatch.setenv("HARDNEG_HUB", str(tmp_path / "empty"))
    with pytest.raises(DatasetError) as caught:
        load_dataset("nano-msmarco").corpus  # noqa: B018 - reading it is what fails
    for part in (
        "nano-msmarco: sentence-transformers/NanoBEIR-en@main/corpus/NanoMSMARCO*.parquet (1.7 MB) is not on this ",
        "`hardneg download nano-msmarco` fetches it",
        f"put it at {tmp_path / 'empty'}/sentence-transformers/NanoBEIR-en/corpus/NanoMSMARCO*.parquet",
    ):
        assert part in str(caught.value)


def test_every_dataset_of_the_catalogue_has_sizes_and_a_licence():
    for name, languages in hub_names().items():
        for language in languages or ("",):
            entry = catalogue.hub_entry(name, language)
            assert entry.licence
            assert entry.about
            assert set(entry.sizes) >= set(entry.qrels)
            sizes = dataset_sizes(entry.name)
            assert sizes.passages > 0
            assert all(number > 0 for number in sizes.queries.values())
    assert dataset_sizes("msmarco").passages == 8_841_823
    assert dataset_sizes("msmarco-bm25?rows=10000").queries == {"train": 10_000}


def test_a_dry_run_prints_sizes_and_what_is_here(hub, monkeypatch):
    run = CliRunner().invoke
    assert "mmarco:LANG  en zh fr" in run(main, ["download"]).output
    here = run(main, ["download", "mr-tydi", "--language", "sw", "--dry-run"]).output
    assert "to download: 0 of 4 files" in here
    monkeypatch.setenv("HARDNEG_HUB", str(hub / "nothing"))
    missing = run(main, ["download", "mr-tydi:sw", "--dry-run"]).output
    assert "10.0 MB  castorini/mr-tydi-corpus@main/mrtydi-v1.1-swahili/corpus.jsonl.gz  [Apache-2.0" in missing
    assert "to download: 4 of 4 files, 22.1 MB" in missing
