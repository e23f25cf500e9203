"""Measure train-test leakage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.evaluation.leakage import ALIKE, LeakageCounter
from hardneg_plugin.recipe.targets import Target
from hardneg_plugin.records import MiningExample
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.workspace import Workspace

# Of how texts are compared; raise it with every change of that.
_VERSION = 2
_QUERIES, _PASSAGES = "queries", "relevant passages"


def leaked(
    workspace: Workspace,
    shards: Iterable[Sequence[MiningExample]],
    targets: Sequence[Target],
    data: str,
    progress: Progress,
) -> dict[str, Mapping[str, int]]:
    """Return label of the target → what of it the training holds; counted once and kept.

    :param workspace: Where the counts are kept.
    :param shards: The training examples.
    :param targets: What is measured on.
    :param data: Fingerprint of the training examples.
    :param progress: Where progress is shown, and a warning where a query was trained on.
    """
    tested = [[target.label, target.dataset.fingerprint(target.split), target.relevance] for target in targets]

    def count() -> dict[str, Mapping[str, int]]:
        with progress.task("leakage", 1) as advance:
            found = _count(shards, targets)
            advance(1)
        return {"leaked": found}  # type: ignore[dict-item]

    kept = workspace.remember(workspace.folder / "leakage.json", fingerprint([_VERSION, ALIKE, data, tested]), count)
    found: dict[str, Mapping[str, int]] = kept["leaked"]
    for label, counts in found.items():
        trained = counts[f"exact {_QUERIES}"] + counts[f"near {_QUERIES}"]
        if trained:
            progress.say(f"WARNING: {label}: {trained} of {counts[_QUERIES]} queries were trained on, or nearly")
    return found


def _count(shards: Iterable[Sequence[MiningExample]], targets: Sequence[Target]) -> dict[str, dict[str, int]]:
    queries = {target.label: LeakageCounter(_queries_of(target)) for target in targets}
    passages = {target.label: LeakageCounter(_relevant_of(target)) for target in targets}
    for shard in shards:
        asked = [example.query for example in shard]
        answers = [positive.content or "" for example in shard for positive in example.positives]
        for label in queries:
            queries[label].add(asked)
            passages[label].add(answers)
    return {
        label: {**_counts(_QUERIES, queries[label]), **_counts(_PASSAGES, passages[label])}
        for label in queries
    }  # fmt: skip


def _counts(what: str, counter: LeakageCounter) -> dict[str, int]:
    found = counter.leakage()
    return {what: found.texts, f"exact {what}": found.exact, f"near {what}": found.near}


def _queries_of(target: Target) -> list[str]:
    return [query.text for query in target.dataset.queries(target.split)]


def _relevant_of(target: Target) -> list[str]:
    qrels = target.dataset.qrels(target.split)
    ids = sorted({p for grades in qrels.values() for p, grade in grades.items() if grade >= target.relevance})
    corpus = target.dataset.corpus
    return list(corpus.texts(corpus.rows_of(ids)))
