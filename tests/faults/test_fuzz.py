"""Mutated recipes and data files end in an error of ours, never in a traceback.

``pytest tests/faults/test_fuzz.py --hypothesis-profile=long`` tries a hundred times as many.
"""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardneg_plugin.cli import main
from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.datasets.labels import read_labels
from hardneg_plugin.errors import HardnegError

TIMES = 100 if settings.get_current_profile_name() == "long" else 1
RECIPE = """\
name: fuzz
seed: [1, 2]
data: {dataset: sample, train: train}
systems:
  a:
    - bm25: {top_k: 20}
    - known_positives:
    - sample: {num_negatives: 2, strategy: top}
  b: &b
    - random: {top_k: 10}
    - positive_aware: {relative_margin: 0.05, scorer: bm25}
train: {base_model: static, epochs: 1, batch_size: 8, loss_args: {scale: 20.0}}
evaluate: {splits: [test], metrics: [nDCG@10], baseline: bm25-retrieval}
llm: {model: m, budget: 5 calls}
"""
VALUES = [
    None,
    True,
    0,
    -1,
    10**30,
    0.5,
    float("nan"),
    float("inf"),
    "",
    " ",
    "x" * 3000,
    "\u202e",
    "a/../b",
    "..",
    "~",
    "[",
    "a: b",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"b": []}},
    [1, "a", None],
    {"bm25": None},
    [{"bm25": {}}],
    "mr-tydi:sw",
    "beir:/no",
    "jsonl:?",
    "sample?passages=x",
    "sample?passages=-1",
    "zip://a::b",
    "system:a",
    "run:x/y",
    "http://[",
    "2026-02-30",
]
SCRAPS = [
    "\n",
    "  ",
    "\t",
    ":",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "*b",
    "!!",
    "!!set ",
    "!!int x",
    "|",
    ">",
    "'",
    '"',
    "#",
    "%",
    "---\n",
    "<<: ",
    "? ",
    "\x00",
    "\x85",
    "\ufeff",
    "\U0001f600",
    "9" * 5000,
    ".nan",
    "0x",
    "1e999",
    "\\",
    ",",
    "null",
    "@",
    "`",
]

relaxed = settings(
    deadline=None,
    database=None,
    derandomize=TIMES == 1,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
positions = st.integers(0, 100_000)


def cases(number: int) -> settings:
    return settings(relaxed, max_examples=number * TIMES)


def ends_well(*arguments: str | Path) -> None:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (0, 1, 2)


@st.composite
def torn(draw: st.DrawFn, text: str, scraps: list[str]) -> str:
    """The text after one to four cuts, copies and insertions."""
    for _ in range(draw(st.integers(1, 4))):
        first, length, to = (draw(positions) for _ in range(3))
        start = first % (len(text) + 1)
        end = min(len(text), start + length % 40)
        match draw(st.integers(0, 3)):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:start] + draw(st.sampled_from(scraps)) + text[start:]
            case 2:
                position = to % (len(text) + 1)
                text = text[:position] + text[start:end] + text[position:]
            case _:
                text = text[:start]
    return text


@st.composite
def changed(draw: st.DrawFn) -> str:
    """The recipe with one to three of its values, keys or items in another's place."""
    recipe = yaml.safe_load(RECIPE)
    for _ in range(draw(st.integers(1, 3))):
        position = recipe
        while True:
            keys = list(position) if isinstance(position, dict) else list(range(len(position)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(position[key], dict | list) or draw(st.integers(0, 2)) == 0:
                match draw(st.integers(0, 2)) if isinstance(position, dict) else 0:
                    case 0:
                        position[key] = draw(st.sampled_from(VALUES))
                    case 1:
                        position[draw(st.text(max_size=8))] = position.pop(key)
                    case _:
                        del position[key]
                break
            position = position[key]
    return yaml.safe_dump(recipe, allow_unicode=True, sort_keys=False)


@cases(500)
@given(text=torn(RECIPE, SCRAPS))
def test_a_torn_recipe(tmp_path, text):
    (tmp_path / "fuzz.yaml").write_text(text, "utf-8", "surrogatepass")
    ends_well("validate", tmp_path / "fuzz.yaml")


@cases(500)
@given(text=changed())
def test_a_recipe_with_other_values(tmp_path, text):
    (tmp_path / "fuzz.yaml").write_text(text, "utf-8", "surrogatepass")
    ends_well("validate", tmp_path / "fuzz.yaml")


@cases(100)
@given(
    key=st.sampled_from(
        ["name", "seed", "mine", "systems.a", "systems.a.0.bm25.top_k", "train.epochs", "llm", "data", "x.y", ""]
    ),
    value=st.one_of(st.sampled_from(SCRAPS), st.sampled_from(VALUES).map(str)),
)
def test_an_override(tmp_path, key, value):
    (tmp_path / "fuzz.yaml").write_text(RECIPE)
    ends_well("validate", tmp_path / "fuzz.yaml", "--set", f"{key}={value}")


PAIRS = [
    {"anchor": f"query {n}", "positive": f"passage {n}", "negative_1": f"other {n}", "language": "en", "answers": ["a"]}
    for n in range(6)
]
JSONL = "".join(json.dumps(row) + "\n" for row in PAIRS)
CSV = "anchor,positive,negative\n" + "".join(f'"query, {n}",passage {n},"other ""{n}"""\n' for n in range(6))
DATA_SCRAPS = [
    "\n",
    "\r",
    "\x00",
    '"',
    ",",
    "\t",
    "{",
    "}",
    "[" * 2000,
    "null",
    "NaN",
    "1e999",
    "9" * 5000,
    "\\ud800",
    "\ufeff",
    "\x85",
    "'",
    ":",
    '{"anchor": 1}',
    "true",
    "=1+1",
    "\udcff",
]


def read_all(spec: str) -> None:
    """Read whatever a dataset has; an error of ours is an end, too."""
    with suppress(HardnegError):
        dataset = load_dataset(spec)
        list(dataset.corpus.iter_texts())
        for split in dataset.splits:
            dataset.qrels(split)
            dataset.queries(split)


def write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


@cases(250)
@given(text=torn(JSONL, DATA_SCRAPS), skip=st.booleans())
def test_torn_json_lines(tmp_path, text, skip):
    write(tmp_path / "rows.jsonl", text)
    read_all(f"jsonl:{tmp_path / 'rows.jsonl'}" + ("?on_bad_row=skip" if skip else ""))


@cases(250)
@given(text=torn(CSV, DATA_SCRAPS), skip=st.booleans())
def test_a_torn_table(tmp_path, text, skip):
    write(tmp_path / "rows.csv", text)
    read_all(f"csv:{tmp_path / 'rows.csv'}" + ("?on_bad_row=skip" if skip else ""))


@cases(150)
@given(text=torn(JSONL, DATA_SCRAPS), group=st.booleans())
def test_torn_training_rows(tmp_path, text, group):
    write(tmp_path / "rows.jsonl", text)
    ends_well(
        "convert",
        tmp_path / "rows.jsonl",
        tmp_path / "out.jsonl",
        "--to",
        "hardneg",
        "--overwrite",
        *(["--group"] if group else []),
    )


@cases(150)
@given(
    texts=st.tuples(
        torn('{"_id": "d1", "text": "one"}\n{"_id": "d2", "title": "t", "text": "two"}\n', DATA_SCRAPS),
        torn('{"_id": "q1", "text": "first"}\n{"_id": "q2", "text": "second"}\n', DATA_SCRAPS),
        torn("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\n", DATA_SCRAPS),
    )
)
def test_a_torn_folder_of_beir(tmp_path, texts):
    (tmp_path / "qrels").mkdir(exist_ok=True)
    for name, text in zip(("corpus.jsonl", "queries.jsonl", "qrels/train.tsv"), texts, strict=True):
        write(tmp_path / name, text)
    read_all(f"beir:{tmp_path}")


@cases(150)
@given(cut=positions, flips=st.lists(st.tuples(positions, st.integers(1, 255)), max_size=3))
def test_a_damaged_packed_file(tmp_path, cut, flips):
    packed = bytearray(gzip.compress(JSONL.encode(), mtime=0))
    for position, change in flips:
        packed[position % len(packed)] ^= change
    (tmp_path / "rows.jsonl.gz").write_bytes(packed[: cut % (len(packed) + 1)] if not flips else packed)
    read_all(f"jsonl:{tmp_path / 'rows.jsonl.gz'}?on_bad_row=skip")


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path_factory.mktemp("parquet") / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(PAIRS), path)
    return path.read_bytes()


@cases(60)
@given(cut=positions)
def test_a_torn_parquet_file(tmp_path, parquet, cut):
    (tmp_path / "rows.parquet").write_bytes(parquet[: cut % len(parquet)])
    read_all(f"parquet:{tmp_path / 'rows.parquet'}")


@cases(150)
@given(text=torn("query_id,passage_id,label,rank\nq1,p1,relevant,1\nq2,p2,,\nq3,p3,0,2\n", DATA_SCRAPS))
def test_a_torn_label_file(tmp_path, text):
    write(tmp_path / "labels.csv", text)
    with suppress(HardnegError):
        read_labels(tmp_path / "labels.csv")
