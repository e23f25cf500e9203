"""The local engine: stages shard by shard, each part computed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from haystack.core.serialization import component_from_dict

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.components import STAGES, TripletBuilder, stage_class
from hardneg_plugin.recipe.check import parameters_of, signature_defaults
from hardneg_plugin.recipe.progress import Progress
from hardneg_plugin.recipe.schema import Stage
from hardneg_plugin.recipe.workspace import StageFolder, Workspace
from hardneg_plugin.records import MiningExample, read_parquet, write_parquet

Shards = Sequence[list[MiningExample]]


class StoredShards(Sequence[list[MiningExample]]):
    """The shards that a finished stage left on disk."""

    def __init__(self, folder: StageFolder, count: int) -> None:
        self._folder, self._count = folder, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < self._count:
            raise IndexError(number)
        return read_parquet(self._folder.part(number))


def build_stage(stage: Stage, filled: Mapping[str, Any]) -> Any:
    """Return the component of a stage, with the parameters that the engine fills in.

    :param stage: The stage.
    :param filled: ``corpus``, ``seed`` and ``language`` for components that take them.
    """
    cls = stage_class(stage.name)
    type_name = f"{cls.__module__}.{cls.__name__}"
    return component_from_dict(cls, {"type": type_name, "init_parameters": stage_params(stage, filled)}, stage.name)


def stage_params(stage: Stage, filled: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stage's parameters with those that the engine fills in where the recipe does not give them."""
    taken = parameters_of(stage_class(stage.name))
    return {**{name: value for name, value in filled.items() if name in taken}, **stage.params}


class LocalEngine:
    """Runs the stages of a system on this machine.

    :param workspace: Where parts go.
    :param shards: The examples without candidates.
    :param data: Fingerprint of the examples and their corpus.
    :param corpus: Dataset spec that miners get where the recipe names no other corpus.
    :param language: Language of queries that carry none.
    :param progress: Where progress is shown.
    """

    def __init__(
        self, workspace: Workspace, shards: Shards, *, data: str, corpus: str, language: str, progress: Progress
    ) -> None:
        self._workspace, self._shards, self._progress = workspace, shards, progress
        self._data, self._filled = data, {"corpus": corpus, "language": language}

    def mine(self, stages: Sequence[Stage], seed: int) -> tuple[Shards, str, list[StageFolder]]:
        """Run a system's stages; parts that are there are not computed again.

        :param stages: The stages in order.
        :param seed: Seed of the stages that take one.
        :returns: The shards behind the last stage, their fingerprint, and the folders of all stages.
        """
        shards, before, folders = self._shards, self._data, []
        for stage in stages:
            before = self._fingerprint(stage, seed, before)
            folder = self._workspace.stage(stage.name, before)
            if not folder.done:
                self._run(stage, seed, shards, folder)
            shards = StoredShards(folder, len(self._shards))
            folders.append(folder)
        return shards, before, folders

    def _fingerprint(self, stage: Stage, seed: int, before: str) -> str:
        cls = stage_class(stage.name)
        params = stage_params(stage, {"corpus": self._data, "language": self._filled["language"], "seed": seed})
        # A parameter at its default does not count: a new one must not throw away what was mined before it existed.
        defaults = signature_defaults(cls)
        changed = {name: value for name, value in params.items() if name not in defaults or defaults[name] != value}
        return fingerprint([STAGES[stage.name], cls.version, changed, before])

    def _run(self, stage: Stage, seed: int, shards: Shards, folder: StageFolder) -> None:
        component = build_stage(stage, {**self._filled, "seed": seed})
        missing = [number for number in range(len(shards)) if not folder.part(number).is_file()]
        with self._progress.task(f"mine: {stage.name}", len(shards)) as advance:
            advance(len(shards) - len(missing))
            if component.needs_all_examples and missing:
                self._run_at_once(component, shards, folder)
                advance(len(missing))
            else:
                for number in missing:
                    write_parquet(folder.part(number), component.run(examples=shards[number])["examples"])
                    advance(1)
        folder.finish(count_candidates([folder.part(number) for number in range(len(shards))]))

    def _run_at_once(self, component: Any, shards: Shards, folder: StageFolder) -> None:
        sizes = [len(shard) for shard in shards]
        examples = component.run(examples=[example for shard in shards for example in shard])["examples"]
        start = 0
        for number, size in enumerate(sizes):
            write_parquet(folder.part(number), examples[start : start + size])
            start += size


def count_candidates(parts: Sequence[Path]) -> dict[str, Any]:
    """Return how many candidates some parts hold and why how many were dropped; reads one column."""
    reasons: Counter[str] = Counter()
    for part in parts:
        column = pq.read_table(part, columns=["dropped"]).column("dropped").combine_chunks()
        for pair in column.values.value_counts().to_pylist():
            reasons[pair["values"]] += pair["counts"]
    kept = reasons.pop("", 0)
    return {"candidates": kept + sum(reasons.values()), "kept": kept, "dropped": dict(sorted(reasons.items()))}


def write_triplets(shards: Shards, folder: Path) -> None:
    """Write the triplets of all shards as one ``datasets.Dataset``; the same examples give the same bytes.

    :param shards: Examples behind the last stage.
    :param folder: An empty folder.
    """
    import pyarrow as pa
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()

    builder = TripletBuilder(shape="n-tuple")
    tables = [builder.run(examples=shard)["triplets"].data.table for shard in shards]
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    # The library's own fingerprint is drawn at random; it would be the only thing that differs between two runs.
    Dataset(table.replace_schema_metadata(None), fingerprint=fingerprint(table.num_rows)).save_to_disk(folder)
