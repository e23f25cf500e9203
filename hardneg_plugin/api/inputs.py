"""The data of a call: pairs, judgements or a dataset spec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from hardneg_plugin.components.corpus_parameter import check_corpus, open_corpus
from hardneg_plugin.datasets import RetrievalDataset, load_dataset, with_options
from hardneg_plugin.datasets.memory import from_judgements, from_pairs
from hardneg_plugin.datasets.memory_tables import Batch, Table
from hardneg_plugin.datasets.spec import spec_of_file
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records import Corpus
from hardneg_plugin.records.row_writer import BATCH_ROWS


def read_dataset(
    dataset: Any,
    corpus: Any,
    qrels: Any,
    columns: tuple[str | None, str | None],
    on_bad_row: Literal["error", "skip"],
) -> RetrievalDataset:
    """Return the dataset that the arguments of :func:`~hardneg_plugin.mine` describe.

    :param dataset: Pairs, a dataset spec or file, or with ``qrels`` the queries.
    :param corpus: Further passages, or with ``qrels`` all of them; those of a document store, too.
    :param qrels: Judgements, or None.
    :param columns: Names of the columns of the queries and of the positives, or None.
    :param on_bad_row: ``error`` or ``skip``.
    :raises ParameterError: If the arguments do not fit together.
    :raises DatasetError: If the data cannot be read.
    """
    if callable(getattr(corpus, "filter_documents", None)):
        check_corpus("mine", corpus)
        corpus = _table_of(open_corpus(corpus))
    if qrels is not None:
        if corpus is None:
            msg = "mine: qrels name passages by id; give the corpus they are in"
            raise ParameterError(msg)
        if columns != (None, None):
            msg = "mine: with qrels there are no pairs; leave anchor_column_name and positive_column_name out"
            raise ParameterError(msg)
        return from_judgements(dataset, corpus, qrels, on_bad_row)
    if not isinstance(dataset, str | Path):
        return from_pairs(dataset, *columns, corpus, on_bad_row)
    spec = _with_arguments(spec_of_file(str(dataset)), columns, on_bad_row)
    if isinstance(corpus, str | Path):
        return load_dataset(with_options(spec, {"corpus": str(corpus)}))
    found = load_dataset(spec)
    return found if corpus is None else found.with_corpus(corpus)


def _table_of(corpus: Corpus) -> Table:
    """Return the passages of a document store as a table, read from the cache whenever it is iterated."""

    def batches() -> Iterator[Batch]:
        for start in range(0, len(corpus), BATCH_ROWS):
            rows = range(start, min(start + BATCH_ROWS, len(corpus)))
            yield {"id": corpus.ids(rows), "text": corpus.texts(rows)}

    return Table(["id", "text"], batches)


def _with_arguments(spec: str, columns: tuple[str | None, str | None], on_bad_row: Literal["error", "skip"]) -> str:
    roles = zip(("anchor", "positive"), columns, strict=True)
    options: dict[str, str | int] = {role: name for role, name in roles if name is not None}
    # Left at its default the argument says nothing, so that the spec may say "skip".
    return with_options(spec, options if on_bad_row == "error" else {**options, "on_bad_row": on_bad_row})
