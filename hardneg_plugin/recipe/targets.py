"""Evaluation targets: splits of the recipe's dataset and of other datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hardneg_plugin.datasets import RetrievalDataset, load_dataset
from hardneg_plugin.recipe.schema import EvaluateSection, OtherDataset
from hardneg_plugin.validation import section_mistakes


@dataclass(frozen=True)
class Target:
    """One split of one dataset.

    :param label: Name in tables: the split, for another dataset its name in the recipe, and its split where it has
        several.
    :param dataset: The dataset.
    :param split: The split.
    :param relevance: Lowest grade that counts as relevant.
    :param group: Group of the recipe it belongs to, such as ``zero-shot``; empty without one.
    """

    label: str
    dataset: RetrievalDataset
    split: str
    relevance: int
    group: str = ""

    def languages(self) -> dict[str, str]:
        """Return query id → language of the judged queries."""
        return {query.id: query.language for query in self.dataset.queries(self.split)}


def evaluation_targets(
    section: EvaluateSection | None, dataset: RetrievalDataset, *, fetch: bool = True
) -> tuple[Target, ...]:
    """Return all that a recipe measures on, in its order.

    :param section: The recipe's section; None measures nothing.
    :param dataset: The recipe's own dataset.
    :param fetch: Whether other datasets may be fetched where they are not on this machine.
    """
    if section is None:
        return ()
    own = [Target(split, dataset, split, (section.relevance or {}).get(split, 1)) for split in section.splits]
    others = []
    for name, other in other_datasets(section.datasets).items():
        loaded = load_dataset(other.dataset, fetch=fetch)
        for split in other.splits:
            label = name if len(other.splits) == 1 else f"{name} {split}"
            others.append(Target(label, loaded, split, other.relevance, other.group))
    return (*own, *others)


def other_datasets(written: Mapping[str, Mapping[str, Any]] | None) -> dict[str, OtherDataset]:
    """Return the other datasets of a section, by name."""
    return {
        name: OtherDataset(**{**fields, "splits": tuple(fields.get("splits", ("test",)))})
        for name, fields in (written or {}).items()
    }


def dataset_errors(evaluate: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the other datasets of the evaluate section."""
    errors = []
    written = evaluate["datasets"] or {}
    if not evaluate["splits"] and not written:
        errors.append("evaluate: nothing to measure on; give `splits` of the dataset, or other `datasets`")
    for name, fields in written.items():
        path = f"evaluate.datasets.{name}"
        if not isinstance(fields, Mapping):
            errors.append(f"{path}: expected a mapping with `dataset`, got {fields!r}")
            continue
        errors += section_mistakes(OtherDataset, fields, path)
    labels = [*evaluate["splits"], *(name for name in written)]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    return errors + [
        f"evaluate.datasets.{label}: a split of the dataset has that name, choose another" for label in twice
    ]
