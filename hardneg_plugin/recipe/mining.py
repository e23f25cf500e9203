"""The local engine: stages shard by shard, each part computed once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.components import TripletBuilder
from hardneg_plugin.llm.session import current_session
from hardneg_plugin.recipe.progress import Progress
from hardneg_plugin.recipe.schema import SYSTEM_PREFIX, Stage
from hardneg_plugin.recipe.stages import build_stage, stage_fingerprint, stage_params
from hardneg_plugin.recipe.workspace import StageFolder, Workspace, read_json, write_json
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


class LocalEngine:
    """Runs the stages of a system on this machine.

    :param workspace: Where parts go.
    :param shards: The examples without candidates.
    :param data: Fingerprint of the examples and their corpus.
    :param filled: What the engine gives to stages that take it and do not say otherwise.
    :param progress: Where progress is shown.
    """

    def __init__(
        self, workspace: Workspace, shards: Shards, *, data: str, filled: Mapping[str, Any], progress: Progress
    ) -> None:
        self._workspace, self._shards, self._progress = workspace, shards, progress
        self.data, self._filled = data, filled

    def mine(self, stages: Sequence[Stage], seed: int) -> tuple[Shards, str, list[StageFolder]]:
        """Run a system's stages; parts that are there are not computed again.

        :param stages: The stages in order.
        :param seed: Seed of the stages that take one.
        :returns: The shards behind the last stage, their fingerprint, and the folders of all stages.
        """
        shards, before, folders = self._shards, self.data, []
        for stage in stages:
            params = self._params(stage, seed)
            before = stage_fingerprint(stage, params, self._filled["corpus"], before)
            folder = self._workspace.stage(stage.name, before)
            if not folder.done(len(self._shards)):
                self._run(stage.name, params, shards, folder)
            shards = StoredShards(folder, len(self._shards))
            folders.append(folder)
        return shards, before, folders

    def fingerprint(self, stages: Sequence[Stage], seed: int) -> str | None:
        """Return what :meth:`mine` would; None where a model that it mines with is still to be trained."""
        before = self.data
        for stage in stages:
            model = str(stage.params.get("model", ""))
            if model.startswith(SYSTEM_PREFIX) and not self._workspace.trained(model.removeprefix(SYSTEM_PREFIX), seed):
                return None
            before = stage_fingerprint(stage, self._params(stage, seed), self._filled["corpus"], before)
        return before

    def _params(self, stage: Stage, seed: int) -> dict[str, Any]:
        params = stage_params(stage, {**self._filled, "seed": seed})
        model = params.get("model")
        if isinstance(model, str) and model.startswith(SYSTEM_PREFIX):
            params["model"] = self._workspace.trained_model(model.removeprefix(SYSTEM_PREFIX), seed)
        return params

    def _run(self, name: str, params: Mapping[str, Any], shards: Shards, folder: StageFolder) -> None:
        component = build_stage(name, params)
        asks = getattr(component, "chat_generator", None) is not None
        missing = [number for number in range(len(shards)) if not folder.part(number).is_file()]
        with self._progress.task(f"mine: {name}", len(shards)) as advance:
            advance(len(shards) - len(missing))
            if component.needs_all_examples and missing:
                with _usage_kept(folder, 0, asks):
                    self._run_at_once(component, shards, folder)
                advance(len(missing))
            else:
                for number in missing:
                    with _usage_kept(folder, number, asks):
                        result = component.run(examples=shards[number])
                    _write(folder, number, result)
                    advance(1)
        folder.finish(count_candidates(folder, len(shards)))

    def _run_at_once(self, component: Any, shards: Shards, folder: StageFolder) -> None:
        result = component.run(examples=[example for shard in shards for example in shard])
        home = {example.id: number for number, shard in enumerate(shards) for example in shard}
        parts: list[dict[str, list[MiningExample]]] = [{name: [] for name in result} for _ in shards]
        for name, examples in result.items():
            for example in examples:
                parts[home[example.id]][name].append(example)
        for number, part in enumerate(parts):
            _write(folder, number, part)


def _write(folder: StageFolder, number: int, result: Mapping[str, list[MiningExample]]) -> None:
    """Write a shard's part; examples that a filter rejected are written beside it, first."""
    if result.get("rejected"):
        write_parquet(folder.rejected(number), result["rejected"])
    write_parquet(folder.part(number), result["examples"])


@contextmanager
def _usage_kept(folder: StageFolder, number: int, asks: bool) -> Iterator[None]:
    """Write down what a shard asked of a language model, before its part: a finished shard is never asked again."""
    before = current_session().usage.total()
    yield
    if asks:
        write_json(folder.usage(number), (current_session().usage.total() - before).to_dict())


def count_candidates(folder: StageFolder, parts: int) -> dict[str, Any]:
    """Return how many candidates a stage's parts hold, and why how many candidates, positives and examples are out.

    Candidates and positives are counted over all stages so far, since their reasons travel with the examples.
    """
    reasons: Counter[str] = Counter()
    positives: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for number in range(parts):
        part = pq.read_table(folder.part(number), columns=["dropped", "meta"])
        for pair in part.column("dropped").combine_chunks().values.value_counts().to_pylist():
            reasons[pair["values"]] += pair["counts"]
        for meta in part.column("meta").to_pylist():
            positives.update(removed["reason"] for removed in json.loads(meta).get("removed_positives", ()))
        if folder.rejected(number).is_file():
            rejected.update(example.meta["rejected"] for example in read_parquet(folder.rejected(number)))
    kept = reasons.pop("", 0)
    return {
        "candidates": kept + sum(reasons.values()),
        "kept": kept,
        "dropped": dict(sorted(reasons.items())),
        "positives": dict(sorted(positives.items())),
        "rejected": dict(sorted(rejected.items())),
        "llm": _asked(folder, parts),
    }


def _asked(folder: StageFolder, parts: int) -> dict[str, float]:
    """Return what the shards of a stage asked of a language model, summed up; empty for a stage that asks none."""
    total: Counter[str] = Counter()
    for number in range(parts):
        if folder.usage(number).is_file():
            total.update(read_json(folder.usage(number)))
    return dict(total)


def write_triplets(shards: Shards, folder: Path, *, language: bool = False) -> None:
    """Write the triplets of all shards as one ``datasets.Dataset``; the same examples give the same bytes.

    :param shards: Examples behind the last stage.
    :param folder: An empty folder.
    :param language: Whether to write the language of each query.
    """
    write_rows(shards, folder, TripletBuilder(shape="n-tuple", language=language))


def write_rows(shards: Sequence[list[MiningExample]], output: Path, builder: TripletBuilder) -> int:
    """Write the rows of all shards; the same examples give the same bytes.

    :param shards: Examples behind the last stage.
    :param output: A file that ends in ``.jsonl`` or ``.parquet`` and appears whole or not at all, or a folder.
    :param builder: What makes rows of examples.
    :returns: Number of rows.
    """
    import pyarrow as pa
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    tables = [builder.run(examples=shard)["triplets"].data.table for shard in shards]
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    # The library's own fingerprint is drawn at random; it would be the only thing that differs between two runs.
    rows = Dataset(table.replace_schema_metadata(None), fingerprint=fingerprint(table.num_rows))
    if output.suffix not in (".jsonl", ".parquet"):
        rows.save_to_disk(output)
    else:
        partial = output.with_name(f".{output.name}.partial")
        rows.to_parquet(partial) if output.suffix == ".parquet" else rows.to_json(partial, force_ascii=False)
        partial.replace(output)
    return int(table.num_rows)
