"""The formats: a line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from hardneg_plugin.datasets.formats.flagembedding import flag_reader, flag_shape, is_flag
from hardneg_plugin.datasets.formats.id_tables import is_pylate, is_tevatron_ids, pylate_reader, tevatron_ids_reader
from hardneg_plugin.datasets.formats.labelled import (
    is_labelled_list,
    is_labelled_pair,
    labelled_reader,
    list_shape,
    pair_shape,
)
from hardneg_plugin.datasets.formats.layout import Layout, Shape
from hardneg_plugin.datasets.formats.ms_swift import is_swift, swift_reader, swift_shape
from hardneg_plugin.datasets.formats.native import is_own, own_reader, own_shape
from hardneg_plugin.datasets.formats.tables import PYLATE, TEVATRON, Tables
from hardneg_plugin.datasets.formats.tevatron import is_tevatron, tevatron_reader, tevatron_shape
from hardneg_plugin.datasets.formats.tuples import is_triplet, is_tuple, tuple_reader, tuple_shape
from hardneg_plugin.datasets.training_rows import TrainingRow

ReadRow = Callable[[int, Mapping[str, Any]], TrainingRow]


class Format(NamedTuple):
    """A registered format: its name, readers and writers.

    :param layout: Its columns, for people.
    :param recognised: Whether a source looks like it.
    :param reader: Gives what reads a row.
    :param shape: Width and whether with scores → the rows of an export; None where several tables are written.
    :param one_positive: A row holds one positive: others become rows of their own.
    :param scores: Whether it can carry scores.
    :param tables: The tables of an export, where there are several.
    :param needs_positive: Whether a row without a positive has no place in it.
    :param carries: Fields of a training row that it has a place for, beside texts and scores.
    :param optional: Columns that it has where a row fills them → the field.
    """

    layout: str
    recognised: Callable[[Layout], bool]
    reader: Callable[[Layout], ReadRow]
    shape: Callable[[int, bool], Shape] | None = None
    one_positive: bool = False
    scores: bool = True
    tables: Tables | None = None
    needs_positive: bool = True
    carries: tuple[str, ...] = ()
    optional: Mapping[str, str] = MappingProxyType({})


_IDS = ("query_id", "positive_ids", "negative_ids")
# In the order in which they are looked for: what only one format has comes first.
FORMATS: Mapping[str, Format] = {
    "hardneg": Format(
        "number, query, positives, negatives, ids, scores, ranks",
        is_own,
        own_reader,
        own_shape,
        needs_positive=False,
        carries=TrainingRow._fields,
    ),
    "flagembedding": Format(
        "query, pos, neg[, pos_scores, neg_scores, prompt, type]",
        is_flag,
        flag_reader,
        flag_shape,
        optional=MappingProxyType({"prompt": "instruction", "type": "kind"}),
    ),
    "tevatron": Format(
        "query_id, query, positive_passages, negative_passages",
        is_tevatron,
        tevatron_reader,
        tevatron_shape,
        carries=_IDS,
    ),
    "tevatron-ids": Format(
        "query_id, query_text, positive_document_ids, negative_document_ids; corpus: docid, text",
        is_tevatron_ids,
        tevatron_ids_reader,
        scores=False,
        tables=TEVATRON,
        carries=_IDS,
    ),
    "pylate": Format(
        "query_id, document_ids, scores; queries: query_id, text; documents: document_id, text",
        is_pylate,
        pylate_reader,
        one_positive=True,
        tables=PYLATE,
        carries=_IDS,
    ),
    "ms-swift": Format(
        "messages, positive_messages, negative_messages",
        is_swift,
        swift_reader,
        swift_shape("user"),
        one_positive=True,
        scores=False,
        carries=("instruction",),
    ),
    "ms-swift-reranker": Format(
        "messages, positive_messages, negative_messages by the assistant",
        lambda _: False,  # told from ms-swift by who says the passages, which changes nothing for the texts
        swift_reader,
        swift_shape("assistant"),
        scores=False,
        carries=("instruction",),
    ),
    "labeled-list": Format("anchor, passages, labels|scores", is_labelled_list, labelled_reader, list_shape, True),
    "labeled-pair": Format(
        "anchor, passage, label|score", is_labelled_pair, labelled_reader, pair_shape, needs_positive=False
    ),
    "triplet": Format(
        "anchor, positive, negative[, scores]", is_triplet, tuple_reader, tuple_shape("anchor", wide=False), True
    ),
    "n-tuple": Format(
        "anchor, positive, negative_1 … negative_n[, scores]",
        is_tuple,
        tuple_reader,
        tuple_shape("anchor", wide=True),
        True,
    ),
    "pylate-triplet": Format(
        "query, positive, negative[, scores]",
        lambda _: False,  # read as a triplet
        tuple_reader,
        tuple_shape("query", wide=False),
        True,
    ),
}


def known_formats() -> str:
    """Return a line per format for messages."""
    return "; ".join(f"{name} ({form.layout})" for name, form in FORMATS.items())
