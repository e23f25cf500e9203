"""The stages of a system, shard by shard: each part is computed once, by the engine that the recipe names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hardneg_plugin.recipe.schema import LOCAL, SYSTEM_PREFIX, EngineName, Stage
from hardneg_plugin.recipe.stages import build_stage, stage_fingerprint, stage_params
from hardneg_plugin.records import read_parquet
from hardneg_plugin.records.parquet import read_columns
from hardneg_plugin.run.local import Engine, LocalEngine, Shards, StageJob, StoredShards
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.workspace import StageFolder, Workspace, read_json


def engine_of(name: EngineName, progress: Progress) -> Engine:
    """Return an engine by its name in a recipe.

    :param name: The name.
    :param progress: Where it shows what it does.
    :raises RecipeError: If what it needs is not installed.
    """
    if name == LOCAL:
        return LocalEngine(progress.say)
    from hardneg_plugin.run.ray_engine import RayEngine

    return RayEngine()


def with_trained_model(params: Mapping[str, Any], workspace: Workspace, seed: int) -> dict[str, Any]:
    """Return a stage's parameters with the folder of the model that an earlier system of the run has trained.

    :param params: All parameters; ``model`` may be ``system:NAME``.
    :param workspace: The run folder.
    :param seed: Seed of the run.
    :raises WorkspaceError: If the model is not trained yet.
    """
    model = params.get("model")
    if not isinstance(model, str) or not model.startswith(SYSTEM_PREFIX):
        return dict(params)
    return {**params, "model": workspace.trained_model(model.removeprefix(SYSTEM_PREFIX), seed)}


class StageRunner:
    """Runs the stages of a system; what is there is not computed again.

    :param workspace: Where parts go.
    :param shards: The examples without candidates.
    :param data: Fingerprint of the examples and their corpus.
    :param filled: What the engine gives to stages that take it and do not say otherwise.
    :param progress: Where progress is shown.
    :param engine: What computes the parts; None computes them in this process.
    """

    def __init__(
        self,
        workspace: Workspace,
        shards: Shards,
        *,
        data: str,
        filled: Mapping[str, Any],
        progress: Progress,
        engine: Engine | None = None,
    ) -> None:
        self._workspace, self._shards, self._progress = workspace, shards, progress
        self.data, self._filled = data, filled
        self._engine = engine or LocalEngine()

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

    def unfinished(self, stages: Sequence[Stage], seed: int) -> list[Stage]:
        """Return the stages of a system that are still to be computed, as far as that can be told now."""
        before, left = self.data, list[Stage]()
        for number, stage in enumerate(stages):
            model = str(stage.params.get("model", ""))
            if model.startswith(SYSTEM_PREFIX) and not self._workspace.trained(model.removeprefix(SYSTEM_PREFIX), seed):
                return [*left, *stages[number:]]
            before = stage_fingerprint(stage, self._params(stage, seed), self._filled["corpus"], before)
            if not self._workspace.stage(stage.name, before).done(len(self._shards)):
                left.append(stage)
        return left

    def _params(self, stage: Stage, seed: int) -> dict[str, Any]:
        return with_trained_model(stage_params(stage, {**self._filled, "seed": seed}), self._workspace, seed)

    def _run(self, name: str, params: Mapping[str, Any], shards: Shards, folder: StageFolder) -> None:
        job = StageJob(name, params, shards, folder)
        faults = folder.faults(len(shards))
        for number in faults:
            if folder.part(number).is_file():
                self._progress.say(f"{faults[number]}; the part is computed again")
        missing = list(faults)
        with self._progress.task(f"mine: {name}", len(shards)) as advance:
            advance(len(shards) - len(missing))
            if missing and build_stage(name, params).needs_all_examples:
                self._engine.run_at_once(job)
                advance(len(missing))
            else:
                for _ in self._engine.run_shards(job, missing):
                    advance(1)
        folder.finish(count_candidates(folder, len(shards)))


def count_candidates(folder: StageFolder, parts: int) -> dict[str, Any]:
    """Return how many candidates a stage's parts hold, and why how many candidates, positives and examples are out.

    Candidates and positives are counted over all stages so far, since their reasons travel with the examples.
    """
    reasons: Counter[str] = Counter()
    positives: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for number in range(parts):
        part = read_columns(folder.part(number), ["dropped", "meta"])
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
