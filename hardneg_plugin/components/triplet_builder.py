"""From examples to a dataset that sentence-transformers trains on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, get_args

from haystack import component

from hardneg_plugin.components.parameters import at_least, one_of
from hardneg_plugin.errors import RecordError
from hardneg_plugin.records import Candidate, MiningExample

Shape = Literal["n-tuple", "triplet", "labeled-list"]
Row = dict[str, Any]


@component
class TripletBuilder:
    """Writes the kept candidates as negatives, one row per query and positive. No row is lost for having few negatives.

    Shapes: ``n-tuple`` has columns ``anchor, positive, negative_1 … negative_n`` and None where a row has fewer;
    ``triplet`` has ``anchor, positive, negative``, one row per negative (a pair without any keeps one row with None);
    ``labeled-list`` has ``anchor, passages, labels`` with 1 for the positive. Where no example keeps a candidate, the
    first two have ``anchor, positive`` alone.

    ### Usage example

    ```python
    from hardneg_plugin import TripletBuilder

    triplets = TripletBuilder(shape="n-tuple").run(examples=examples)["triplets"]
    triplets.column_names  # ['anchor', 'positive', 'negative_1', 'negative_2', 'negative_3']
    ```

    :param shape: ``n-tuple``, ``triplet`` or ``labeled-list``.
    :param num_negatives: Negatives of a row, best rank first; None takes all that are kept.
    :param ids: Add ``anchor_id``, ``positive_id`` and ``negative_ids`` behind the texts.
    :raises ParameterError: If a parameter is out of range.
    """

    version: ClassVar[int] = 1
    needs_all_examples: ClassVar[bool] = False

    def __init__(self, shape: Shape = "n-tuple", num_negatives: int | None = None, ids: bool = False) -> None:
        one_of("TripletBuilder", "shape", shape, get_args(Shape))
        if num_negatives is not None:
            at_least("TripletBuilder", "num_negatives", num_negatives, 1)
        self.shape = shape
        self.num_negatives = num_negatives
        self.ids = ids

    @component.output_types(triplets=Any)
    def run(self, examples: list[MiningExample]) -> dict[str, Any]:
        """Build the dataset.

        :param examples: Any number; candidates that were dropped are left out.
        :returns: ``triplets``: a ``datasets.Dataset``.
        :raises RecordError: If a positive or a kept candidate has no text.
        """
        import pyarrow as pa
        from datasets import Dataset

        pairs = [pair for example in examples for pair in self._pairs(example)]
        width = max((len(negatives) for _, _, negatives in pairs), default=0)
        rows = [row for pair in pairs for row in self._rows(*pair, width)]
        columns = {name: pa.array([row[name] for row in rows], _column_type(name)) for name in self._columns(width)}
        return {"triplets": Dataset(pa.table(columns))}

    def _columns(self, width: int) -> list[str]:
        """Return the names of the columns; they depend on the examples by the largest number of negatives alone."""
        numbered = [f"negative_{number}" for number in range(1, width + 1)]
        texts = {
            "n-tuple": ["anchor", "positive", *numbered],
            "triplet": ["anchor", "positive", *(["negative"] if width else [])],
            "labeled-list": ["anchor", "passages", "labels"],
        }
        return texts[self.shape] + (["anchor_id", "positive_id", "negative_ids"] if self.ids else [])

    def _pairs(self, example: MiningExample) -> Iterator[tuple[MiningExample, Any, list[Candidate]]]:
        kept = sorted(example.candidates.kept(), key=_best_rank)[: self.num_negatives]
        for positive in example.positives:
            yield example, positive, kept

    def _rows(self, example: MiningExample, positive: Any, negatives: list[Candidate], width: int) -> Iterator[Row]:
        text = _text(positive.content, f"positive {positive.id!r}", example)
        texts = [_text(negative.text, f"candidate {negative.id!r}", example) for negative in negatives]
        ids = [negative.id for negative in negatives]
        row: Row = {"anchor": example.query, "positive": text, "anchor_id": example.id, "positive_id": positive.id}
        if self.shape == "labeled-list":
            yield {**row, "passages": [text, *texts], "labels": [1] + [0] * len(texts), "negative_ids": ids}
        elif self.shape == "triplet":
            for number in range(max(len(texts), 1)):
                negative = texts[number] if texts else None
                yield {**row, "negative": negative, "negative_ids": ids[number : number + 1]}
        else:
            padded = texts + [None] * (width - len(texts))
            numbered = {f"negative_{number}": negative for number, negative in enumerate(padded, start=1)}
            yield {**row, **numbered, "negative_ids": ids}


def _text(text: str | None, passage: str, example: MiningExample) -> str | None:
    if not text:
        msg = f"example {example.id!r}: {passage} has no text; nothing can be trained on it"
        raise RecordError(msg)
    return text


def _best_rank(candidate: Candidate) -> float:
    """Return the best rank over all sources; candidates that no source ranked come last."""
    return min((found.rank for found in candidate.sources.values()), default=float("inf"))


def _column_type(name: str) -> Any:
    import pyarrow as pa

    types = {"passages": pa.list_(pa.string()), "negative_ids": pa.list_(pa.string()), "labels": pa.list_(pa.int64())}
    return types.get(name, pa.string())
