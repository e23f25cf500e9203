"""Random operations on tables must do what a naive list of dicts does."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardneg_plugin.records import MiningExample, merge_source, table_of, with_table

PASSAGES = 8
SOURCES = ("a", "b", "c")
REASONS = ("margin", "quality")


class Naive:
    """The same record, without arrays: each example a list of ``{"passage", "sources", "dropped"}``."""

    def __init__(self, names):
        self.examples = {name: [] for name in names}

    def merge(self, source, found):
        for name, hits in found.items():
            rows = self.examples[name]
            for rank, (passage, score) in enumerate(hits, start=1):
                row = next((row for row in rows if row["passage"] == passage), None)
                if row is None:
                    row = {"passage": passage, "sources": {}, "dropped": ""}
                    rows.append(row)
                row["sources"][source] = (rank, score)

    def drop(self, name, passages, reason):
        for row in self.examples[name]:
            if row["passage"] in passages and not row["dropped"]:
                row["dropped"] = reason


def as_naive(example):
    return [
        {
            "passage": int(candidate.id[1:]),
            "sources": {name: (found.rank, found.score) for name, found in candidate.sources.items()},
            "dropped": candidate.dropped,
        }
        for candidate in example.candidates
    ]


scores = st.one_of(st.none(), st.integers(-8, 8).map(float))
passages = st.lists(st.integers(0, PASSAGES - 1), max_size=5, unique=True)
hits = passages.flatmap(lambda found: st.lists(scores, min_size=len(found), max_size=len(found)).map(
    lambda values: list(zip(found, values, strict=True))))  # fmt: skip


@st.composite
def operations(draw, names):
    kind = draw(st.sampled_from(["merge", "drop", "shuffle", "apart"]))
    if kind == "merge":
        return kind, draw(st.sampled_from(SOURCES)), {name: draw(hits) for name in names}
    if kind == "drop":
        return kind, draw(st.sampled_from(names)), set(draw(passages)), draw(st.sampled_from(REASONS))
    if kind == "shuffle":
        return kind, draw(st.permutations(names))
    return kind, draw(st.integers(0, len(names)))


@st.composite
def runs(draw):
    names = [f"e{number}" for number in range(draw(st.integers(1, 5)))]
    return names, draw(st.lists(operations(names), max_size=8))


def apply_merge(examples, source, found, corpus):
    width = max(len(hits) for hits in found.values())
    rows, values = np.full((len(examples), width), -1), np.full((len(examples), width), np.nan, dtype=np.float32)
    for number, example in enumerate(examples):
        for position, (passage, score) in enumerate(found[example.id]):
            rows[number, position] = passage
            values[number, position] = np.nan if score is None else score
    return with_table(examples, merge_source(table_of(examples), source, corpus, rows, values))


def apply_drop(examples, name, dropped, reason):
    table = table_of(examples)
    index = [example.id for example in examples].index(name)
    mask = (table.example_index == index) & np.isin(table.passages, list(dropped))
    return with_table(examples, table.drop(mask, reason))


@given(run=runs())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_run_equals_the_naive_one(make_corpus, run):
    names, steps = run
    corpus = make_corpus([f"text {number}" for number in range(PASSAGES)])
    naive = Naive(names)
    examples = [MiningExample(id=name, query="q") for name in names]
    ran = set()
    for kind, *arguments in steps:
        if kind == "merge" and arguments[0] not in ran:
            ran.add(arguments[0])
            naive.merge(*arguments)
            examples = apply_merge(examples, *arguments, corpus)
        elif kind == "drop":
            naive.drop(*arguments)
            examples = apply_drop(examples, *arguments)
        elif kind == "shuffle":
            examples = sorted(examples, key=lambda example: arguments[0].index(example.id))
        elif kind == "apart":
            # From now on the first ones stand in a table of their own.
            first, rest = examples[: arguments[0]], examples[arguments[0] :]
            examples = [*with_table(first, table_of(first)), *rest]
        assert {example.id: as_naive(example) for example in examples} == naive.examples
    kept = {name: [row["passage"] for row in rows if not row["dropped"]] for name, rows in naive.examples.items()}
    assert {e.id: [int(candidate.id[1:]) for candidate in e.candidates.kept()] for e in examples} == kept
    assert [MiningExample.from_dict(example.to_dict()) for example in examples] == examples
