"""What a recipe says. A section's fields are its schema; a stage's keys are its component's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from hardneg_plugin.datasets import with_options
from hardneg_plugin.evaluation import METRICS
from hardneg_plugin.recipe.check import as_yaml

# A stage's model may be one that the recipe trains: "system:in-batch".
SYSTEM_PREFIX = "system:"

BM25_LINE, UNTRAINED_LINE = "BM25 retrieval", "untrained"
"""Lines of every table that no system of the recipe makes."""


@dataclass(frozen=True)
class DataSection:
    """Where the examples come from.

    :param dataset: Dataset spec, such as ``beir:data/msmarco`` or ``sample``.
    :param train: Split whose queries are mined for and trained on.
    :param limit: Number of queries to draw from it; null takes all.
    :param relevance: Lowest grade that makes a passage a positive.
    :param on_bad_row: ``error`` or ``skip``.
    :param language: ISO 639-1 code of rows that carry no language.
    :param shard_size: Examples that go through the stages at a time, at most 10,000.
    """

    dataset: str
    train: str = "train"
    limit: int | None = None
    relevance: int = 1
    on_bad_row: Literal["error", "skip"] = "error"
    language: str = ""
    shard_size: int = 10_000

    @property
    def spec(self) -> str:
        """The dataset spec with what the section says about rows."""
        options = {} if self.on_bad_row == "error" else {"on_bad_row": self.on_bad_row}
        return with_options(self.dataset, {**options, **({"default_language": self.language} if self.language else {})})


@dataclass(frozen=True)
class EvaluateSection:
    """What is measured.

    :param splits: Splits of the dataset.
    :param metrics: Names as ir_measures spells them.
    :param relevance: Split → lowest grade that counts as relevant; 1 where a split is not named (null: in none).
    :param top_k: Passages retrieved per query.
    :param baseline: Line that the others are compared with (paired randomisation test, Holm-corrected): a system,
        ``BM25 retrieval`` or ``untrained``; null takes the first trained system.
    """

    splits: tuple[str, ...]
    metrics: tuple[str, ...] = METRICS
    relevance: Mapping[str, int] | None = None
    top_k: int = 100
    baseline: str | None = None


@dataclass(frozen=True)
class Stage:
    """One stage of a system.

    :param name: Short name of the component, such as ``bm25``.
    :param params: Constructor parameters, defaults filled in.
    """

    name: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """A resolved recipe.

    :param name: Name of the run folder.
    :param seeds: One training run per seed and system.
    :param data: Where the examples come from.
    :param systems: Name → stages; a system without stages trains on in-batch negatives alone.
    :param train: Parameters of the trainer, defaults filled in; None does not train.
    :param evaluate: What is measured; None measures nothing.
    :param source: File of the recipe; None where there is none of the user's own.
    """

    name: str
    seeds: tuple[int, ...]
    data: DataSection
    systems: Mapping[str, tuple[Stage, ...]]
    train: Mapping[str, Any] | None
    evaluate: EvaluateSection | None
    source: Path | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as it would be written, with every default."""
        return {
            "name": self.name,
            "seed": list(self.seeds),
            "data": plain(self.data),
            "systems": {
                name: [{stage.name: dict(stage.params)} for stage in stages] for name, stages in self.systems.items()
            },
            "train": None if self.train is None else dict(self.train),
            "evaluate": None if self.evaluate is None else plain(self.evaluate),
        }


def plain(section: Any) -> dict[str, Any]:
    """Return a section's fields as YAML has them."""
    return {item.name: as_yaml(getattr(section, item.name)) for item in fields(section)}
