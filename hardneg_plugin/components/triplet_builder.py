"""From examples to a dataset that sentence-transformers trains on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from haystack import component

from hardneg_plugin.components.parameters import at_least, one_of
from hardneg_plugin.records import Candidate, MiningExample

if TYPE_CHECKING:
    from datasets import Dataset

Shape = Literal["n-tuple", "triplet", "labeled-list"]
Row = dict[str, Any]


@component
class TripletBuilder:
    """Writes the kept candidates as negatives, one row per query and positive. No row is lost for having few negatives.

    Shapes: ``n-tuple`` has columns ``anchor, positive, negative_1 … negative_n`` and None where a row has fewer; ``triplet`` has
    ``anchor, positive, negative``, one row per negative (a pair without any keeps one row with None); ``labeled-list`` has
    ``anchor, passages, labels`` with 1 for the positive. Examples without candidates give ``anchor, positive`` alone.

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
    def run(self, examples: list[MiningExample]) -> dict[str, Dataset]:
        """Build the dataset.

        :param examples: Any number; candidates that were dropped are left out.
        :returns: ``triplets``: a ``datasets.Dataset``.
        """
        import pyarrow as pa
        from datasets import Dataset

        pairs = [pair for example in examples for pair in self._pairs(example)]
        width = max((len(negatives) for _, _, negatives in pairs), default=0)
        rows = [row for pair in pairs for row in self._rows(*pair, width)]
        names = rows[0] if rows else ("anchor", "positive")
        columns = {name: pa.array([row[name] for row in rows], _column_type(name)) for name in names}
        return {"triplets": Dataset(pa.table(columns))}

    def _pairs(self, example: MiningExample) -> Iterator[tuple[MiningExample, Any, list[Candidate]]]:
        kept = sorted(example.candidates.kept(), key=_best_rank)[: self.num_negatives]
        for positive in example.positives:
            yield example, positive, kept

    def _rows(self, example: MiningExample, positive: Any, negatives: list[Candidate], width: int) -> Iterator[Row]:
        texts: list[str | None] = [negative.text for negative in negatives]
        ids: list[str | None] = [negative.id for negative in negatives]
        known = {"anchor_id": example.id, "positive_id": positive.id} if self.ids else {}
        pair: Row = {"anchor": example.query, "positive": positive.content}
        if self.shape == "labeled-list":
            labels = [1] + [0] * len(texts)
            row: Row = {"anchor": example.query, "passages": [positive.content, *texts], "labels": labels}
            yield {**row, **known, **({"negative_ids": ids} if self.ids else {})}
        elif self.shape == "triplet" and width:
            for text, identifier in zip(texts or [None], ids or [None], strict=True):
                extra = {**known, "negative_ids": [identifier] if identifier else []} if self.ids else {}
                yield {**pair, "negative": text, **extra}
        else:
            padded = texts + [None] * (width - len(texts))
            numbered = {f"negative_{number}": text for number, text in enumerate(padded, start=1)}
            yield {**pair, **numbered, **known, **({"negative_ids": ids} if self.ids and width else {})}


def _best_rank(candidate: Candidate) -> float:
    """Return the best rank over all sources; candidates that no source ranked come last."""
    return min((found.rank for found in candidate.sources.values()), default=float("inf"))


def _column_type(name: str) -> Any:
    import pyarrow as pa

    types = {"passages": pa.list_(pa.string()), "negative_ids": pa.list_(pa.string()), "labels": pa.list_(pa.int64())}
    return types.get(name, pa.string())
