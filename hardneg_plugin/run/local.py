"""Compute the parts of a stage: the engine protocol, and the engine that works in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.garbage_collector import gc_frozen
from hardneg_plugin.llm.session import current_session
from hardneg_plugin.recipe.stages import build_stage
from hardneg_plugin.records import MiningExample, read_parquet, write_parquet
from hardneg_plugin.run.chunking import check_fits, run_in_blocks
from hardneg_plugin.run.workspace import StageFolder, write_json

Shards = Sequence[list[MiningExample]]


class StoredShards(Sequence[list[MiningExample]]):
    """The shards that a finished stage left on disk.

    :param folder: Where they are.
    :param count: Their number.
    """

    def __init__(self, folder: StageFolder, count: int) -> None:
        self.folder, self._count = folder, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < self._count:
            raise IndexError(number)
        return read_parquet(self.folder.part(number))


@dataclass(frozen=True)
class StageJob:
    """A stage to run.

    :param name: Short name of its component.
    :param params: All constructor parameters.
    :param shards: The examples that come in.
    :param folder: Where parts go.
    """

    name: str
    params: Mapping[str, Any]
    shards: Shards
    folder: StageFolder


class Engine(Protocol):
    """Computes parts of a stage and puts each into the stage's folder by one rename."""

    def run_shards(self, job: StageJob, numbers: Sequence[int]) -> Iterator[int]:
        """Compute the parts of some shards; yield each number when its part is there, in any order."""

    def run_at_once(self, job: StageJob) -> None:
        """Compute the parts of a stage that needs all examples at once."""


class LocalEngine:
    """Computes one shard after the other in this process.

    :param say: Shows a line.
    """

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say

    def run_shards(self, job: StageJob, numbers: Sequence[int]) -> Iterator[int]:
        """Compute the parts of some shards, in their order.

        :param job: The stage.
        :param numbers: The shards whose parts are missing.
        """
        component = build_stage(job.name, job.params)
        with gc_frozen():
            for number in numbers:
                compute_part(component, job.shards[number], job.folder, number, len(job.shards), self._say)
                yield number

    def run_at_once(self, job: StageJob) -> None:
        """Compute all parts.

        :raises WorkspaceError: If the examples do not fit into the memory that is promised.
        """
        compute_at_once(build_stage(job.name, job.params), job)


def compute_part(
    component: StageComponent,
    examples: list[MiningExample],
    folder: StageFolder,
    number: int,
    shards: int,
    say: Callable[[str], None] | None = None,
) -> None:
    """Run a component over one shard and write its part.

    :param component: A component whose results for an example do not depend on the others.
    :param examples: The shard.
    :param folder: Where the part goes.
    :param number: Number of the shard.
    :param shards: How many shards the stage has, also those that are finished: what a component does with a shard must
        not depend on what was done before.
    :param say: Shows a line.
    """
    component.expect(len(examples) * shards)
    with _usage_kept(folder, number, component.asks_model):
        result = run_in_blocks(component, examples, say)
    _write(folder, number, result)


def compute_at_once(component: StageComponent, job: StageJob) -> None:
    """Run a component over all shards together and write their parts.

    :raises WorkspaceError: If the examples do not fit into the memory that is promised.
    """
    check_fits(job.name, job.shards)
    with _usage_kept(job.folder, 0, component.asks_model):
        result = component.run(examples=[example for shard in job.shards for example in shard])
        outputs = {name: by_shard(examples, job.shards) for name, examples in result.items()}
        for number in range(len(job.shards)):
            _write(job.folder, number, {name: parts[number] for name, parts in outputs.items()})


def by_shard(examples: Iterable[MiningExample], shards: Shards) -> list[list[MiningExample]]:
    """Give examples back to the shards that they came from, in their order.

    :param examples: Some of the shards' examples, changed or not.
    :param shards: The shards.
    """
    home = {example.id: number for number, shard in enumerate(shards) for example in shard}
    parts: list[list[MiningExample]] = [[] for _ in shards]
    for example in examples:
        parts[home[example.id]].append(example)
    return parts


def _write(folder: StageFolder, number: int, result: Mapping[str, list[MiningExample]]) -> None:
    """Write a shard's part; examples that a filter rejected are written beside it, first."""
    if result.get("rejected"):
        write_parquet(folder.rejected(number), result["rejected"])
    write_parquet(folder.part(number), result["examples"])


@contextmanager
def _usage_kept(folder: StageFolder, number: int, asking: bool) -> Iterator[None]:
    """Write down what a shard asked of a language model, before its part: a finished shard is never asked again."""
    usage = current_session().usage
    before, judged = usage.total(), usage.verdicts()
    yield
    if asking:
        write_json(folder.usage(number), {**(usage.total() - before).to_dict(), **(usage.verdicts() - judged)})
