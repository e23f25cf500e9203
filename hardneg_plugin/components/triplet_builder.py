"""Build a dataset that sentence-transformers trains on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from haystack import component
from numpy.typing import NDArray

from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.components.known_positive_filter import KnownPositiveFilter
from hardneg_plugin.datasets.arrow_dataset import arrow_dataset
from hardneg_plugin.errors import RecordError
from hardneg_plugin.mining.passages import passage_texts
from hardneg_plugin.mining.text_columns import negative_counts, no_text, positive_texts, text_columns
from hardneg_plugin.records import Candidate, CandidateTable, MiningExample, table_of
from hardneg_plugin.validation import Count

Shape = Literal["n-tuple", "triplet", "labeled-pair", "labeled-list"]
FewNegatives = Literal["keep", "drop"]
Row = dict[str, Any]


@dataclass(frozen=True)
class _Pair:
    """A query, a positive of it, and its negatives; their ids and scores are empty unless they are asked for."""

    example: MiningExample
    positive: str
    positive_id: str
    negatives: list[str]
    negative_ids: list[str]
    scores: list[float]


@component
class TripletBuilder(CheckedParameters):
    """Writes the kept candidates as negatives. No query is lost for having few of them, unless that is asked for.

    Shapes, each with the columns that sentence-transformers' losses read by position:

    - ``n-tuple``: ``anchor, positive, negative_1 … negative_n``, one row per query and positive, padded with None;
    - ``triplet``: ``anchor, positive, negative``, one row per negative; a pair without any keeps one row with None;
    - ``labeled-pair``: ``anchor, passage, label``, one row per passage, 1 for a positive;
    - ``labeled-list``: ``anchor, passages, labels``, one row per query and positive.

    Where no example keeps a candidate, the first two have ``anchor, positive`` alone.

    A text is a negative of a query once, and a known positive of an equal query never is one: what a
    ``KnownPositiveFilter`` that compares whole texts would drop is left out.

    hardneg's own trainer takes the cells that are None; that of sentence-transformers does not. With
    ``on_few_negatives="drop"`` there are none: an ``n-tuple`` needs ``num_negatives`` negatives (the most that an
    example has, where it is None), a ``triplet`` and a ``labeled-list`` need one, and other examples get no row.

    ### Usage example

    ```python
    from hardneg_plugin import TripletBuilder

    triplets = TripletBuilder(shape="n-tuple").run(examples=examples)["triplets"]
    triplets.column_names  # ['anchor', 'positive', 'negative_1', 'negative_2', 'negative_3']
    ```

    :param shape: One of the shapes.
    :param num_negatives: Negatives of a row, best rank first; None takes all that are kept.
    :param ids: Add ``anchor_id``, ``positive_id`` and ``negative_ids`` behind the texts.
    :param language: Add the ``language`` of the query last, for a trainer that balances or parts languages.
    :param scores: Scorer whose scores are written: ``scores`` (the positive's, then the negatives'), in place of
        ``labels`` in a labelled list; ``score``, in place of ``label``, in a labelled pair.
    :param on_few_negatives: ``keep`` writes examples with fewer negatives than their shape has places for; ``drop``
        leaves them out.
    :raises ParameterError: If a parameter is out of range.
    """

    version: ClassVar[int] = 2

    def __init__(
        self,
        shape: Shape = "n-tuple",
        num_negatives: Count | None = None,
        ids: bool = False,
        scores: str | None = None,
        language: bool = False,
        on_few_negatives: FewNegatives = "keep",
    ) -> None:
        self.shape = shape
        self.num_negatives = num_negatives
        self.ids = ids
        self.scores = scores
        self.language = language
        self.on_few_negatives = on_few_negatives

    @component.output_types(triplets=Any)
    def run(self, examples: list[MiningExample]) -> dict[str, Any]:
        """Build the dataset.

        :param examples: Any number; candidates that were dropped are left out.
        :returns: ``triplets``: a ``datasets.Dataset``.
        :raises RecordError: If a positive or a kept candidate has no text, or lacks a score that was asked for.
        """
        import pyarrow as pa

        examples = KnownPositiveFilter(near_duplicate=None).run(examples=examples)["examples"]
        least = 0
        if self.on_few_negatives == "drop":
            counts = negative_counts(examples)
            least = fewest_negatives(self.shape, self.num_negatives, counts)
            examples = [examples[position] for position in np.flatnonzero(counts >= least)]
        if self.shape in ("triplet", "n-tuple") and not (self.ids or self.scores or self.language):
            columns = text_columns(examples, self.shape, self.num_negatives, least)
            return {"triplets": arrow_dataset(pa.table(columns))}
        pairs = list(self._pairs(examples))
        width = max((len(pair.negatives) for pair in pairs), default=least)
        names = self._columns(width)
        rows = [row for pair in pairs for row in self._rows(pair, width)]
        columns = {name: pa.array([row[name] for row in rows], _column_type(name)) for name in names}
        return {"triplets": arrow_dataset(pa.table(columns))}

    def _columns(self, width: int) -> list[str]:
        """Return the names of the columns; they depend on the examples by the largest number of negatives alone."""
        numbered = [f"negative_{number}" for number in range(1, width + 1)]
        columns = {
            "n-tuple": ["anchor", "positive", *numbered, *(["scores"] if self.scores else [])],
            "triplet": ["anchor", "positive", *(["negative"] if width else []), *(["scores"] if self.scores else [])],
            "labeled-pair": ["anchor", "passage", "score" if self.scores else "label"],
            "labeled-list": ["anchor", "passages", "scores" if self.scores else "labels"],
        }[self.shape]
        pair_ids = ["passage_id"] if self.shape == "labeled-pair" else ["positive_id", "negative_ids"]
        further = ["anchor_id", *pair_ids] if self.ids else []
        return [*columns, *further, *(["language"] if self.language else [])]

    def _pairs(self, examples: list[MiningExample]) -> Iterator[_Pair]:
        table = table_of(examples)
        rows, offsets = table.kept_by_rank()
        texts = passage_texts(table, table.passages[rows])
        for index, example in enumerate(examples):
            part = slice(offsets[index], offsets[index + 1])
            chosen, negatives = rows[part][: self.num_negatives], texts[part][: self.num_negatives]
            for row, text in zip(chosen, negatives, strict=True):
                if not text:
                    raise no_text(example, f"candidate {Candidate(table, int(row)).id!r}")
            negative_ids = [Candidate(table, int(row)).id for row in chosen] if self.ids else []
            for number, (positive, text) in enumerate(zip(example.positives, positive_texts(example), strict=True)):
                position = int(table.positive_offsets[index]) + number
                scores = _scores(table, self.scores, position, chosen, example) if self.scores else []
                yield _Pair(example, text, positive.id, negatives, negative_ids, scores)

    def _rows(self, pair: _Pair, width: int) -> Iterator[Row]:
        example = pair.example
        row: Row = {"anchor": example.query, "anchor_id": example.id, "language": example.language}
        if self.shape == "labeled-pair":
            yield from _labelled_pairs(row, pair)
            return
        row.update(
            positive=pair.positive, positive_id=pair.positive_id, negative_ids=pair.negative_ids, scores=pair.scores
        )
        if self.shape == "labeled-list":
            labels = [1] + [0] * len(pair.negatives)
            yield {**row, "passages": [pair.positive, *pair.negatives], "labels": labels}
        elif self.shape == "triplet":
            for number in range(max(len(pair.negatives), 1)):
                negative = pair.negatives[number] if pair.negatives else None
                scores = [*pair.scores[:1], *pair.scores[number + 1 : number + 2]]
                ids = pair.negative_ids[number : number + 1]
                yield {**row, "negative": negative, "scores": scores, "negative_ids": ids}
        else:
            padded = [*pair.negatives, *([None] * (width - len(pair.negatives)))]
            yield {**row, **{f"negative_{number}": text for number, text in enumerate(padded, start=1)}}


def fewest_negatives(shape: Shape, num_negatives: int | None, counts: NDArray[np.int64]) -> int:
    """Return the fewest negatives of an example whose rows have a text in every cell.

    :param shape: Shape of the rows.
    :param num_negatives: Negatives of a row; None takes all that are kept.
    :param counts: Negatives of each example.
    """
    if shape == "n-tuple":
        return num_negatives or max(int(counts.max(initial=0)), 1)
    # A pair of a query and its positive is a row that can be trained on; a list of one passage teaches nothing.
    return 0 if shape == "labeled-pair" else 1


def _labelled_pairs(row: Row, pair: _Pair) -> Iterator[Row]:
    # A query with several positives has its negatives once, behind the first.
    first = pair.positive_id == pair.example.positives[0].id
    count = 1 + (len(pair.negatives) if first else 0)
    texts, ids = [pair.positive, *pair.negatives], [pair.positive_id, *pair.negative_ids]
    for number in range(count):
        score = pair.scores[number] if pair.scores else None
        identifier = ids[number] if number < len(ids) else None
        yield {**row, "passage": texts[number], "passage_id": identifier, "label": int(number == 0), "score": score}


def _scores(table: CandidateTable, scorer: str, positive: int, chosen: Any, example: MiningExample) -> list[float]:
    if scorer not in table.scores or scorer not in table.positive_scores:
        msg = f"no scores by {scorer!r} of candidates and positives; scorers: {', '.join(table.scores) or 'none'}"
        raise RecordError(msg)
    scores = [table.positive_scores[scorer][positive], *table.scores[scorer][chosen]]
    if np.isnan(scores).any():
        msg = f"example {example.id!r}: a positive or kept candidate has no score by {scorer!r}"
        raise RecordError(msg)
    return [float(score) for score in scores]


def _column_type(name: str) -> Any:
    import pyarrow as pa

    types = {
        "passages": pa.list_(pa.string()),
        "negative_ids": pa.list_(pa.string()),
        "labels": pa.list_(pa.int64()),
        "scores": pa.list_(pa.float32()),
        "label": pa.int64(),
        "score": pa.float32(),
    }
    return types.get(name, pa.string())
