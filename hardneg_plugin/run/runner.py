"""Running a recipe: mine, train, evaluate, report; whatever is there already is not done again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.checksums import sealed_text
from hardneg_plugin.datasets import ExampleShards, RetrievalDataset, load_dataset
from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.evaluation import Scores
from hardneg_plugin.llm.session import current_session
from hardneg_plugin.recipe.chat_generator import CHAT_GENERATOR, LLM, asks_model
from hardneg_plugin.recipe.schema import BM25_LINE, UNTRAINED_LINE, Recipe
from hardneg_plugin.recipe.stages import filled_parameters
from hardneg_plugin.recipe.targets import Target, evaluation_targets
from hardneg_plugin.recipe.yaml_text import to_yaml
from hardneg_plugin.report import ReportData, StageCounts, System, TrainingRun, write_results
from hardneg_plugin.run.evaluation import EvaluationRun
from hardneg_plugin.run.leakage import leaked
from hardneg_plugin.run.llm_session import check_judge_of, check_model_of, recipe_session
from hardneg_plugin.run.local import Shards
from hardneg_plugin.run.manifest import Manifest
from hardneg_plugin.run.memory_watch import MemoryWatch, watched_memory
from hardneg_plugin.run.mining import StageRunner, engine_of
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.reporting import Row, query_values, report_of_scores, stage_counts
from hardneg_plugin.run.shortcut_warning import style_warning
from hardneg_plugin.run.splits import check_splits
from hardneg_plugin.run.systems import bm25_line, model_line, model_system, untrained_line
from hardneg_plugin.run.training import TrainingRunner
from hardneg_plugin.run.triplets import write_triplets
from hardneg_plugin.run.workspace import IfExists, Workspace, write_text
from hardneg_plugin.training.base_model import base_model_identity


def run_recipe(
    recipe: Recipe,
    runs: Path,
    *,
    if_exists: IfExists = "reuse",
    progress: Progress | None = None,
    budget: str | None = None,
    record: Path | None = None,
) -> ReportData:
    """Run a recipe to its report.

    Kill it anywhere and run it again: finished parts, triplets, models and measurements are taken as they are.

    :param recipe: The recipe.
    :param runs: Folder of run folders.
    :param if_exists: ``reuse`` goes on with an earlier run, ``overwrite`` removes it, ``error`` refuses.
    :param progress: Where progress is shown.
    :param budget: What may be spent on a language model, in place of the recipe's own ``llm.budget``.
    :param record: File to which every answer of a language model is appended.
    :returns: What ``results.json`` holds.
    :raises HardnegError: If data, stages or training cannot work, or another run is using the run folder.
    :raises BudgetError: If the budget is spent; the same call goes on.
    """
    dataset = load_dataset(recipe.data.spec)
    targets = evaluation_targets(recipe.evaluate, dataset)
    check_splits(recipe, dataset, targets)
    folder = runs / recipe.name
    if recipe.source is not None and folder.resolve() in recipe.source.parents:
        msg = f"{recipe.source} lies inside its own run folder {folder}; copy it elsewhere, or --set name=…"
        raise WorkspaceError(msg)
    progress = progress or Progress()
    with (
        Workspace.open(folder, if_exists) as workspace,
        recipe_session(recipe, progress, budget, record),
        watched_memory(recipe.memory, progress) as memory,
    ):
        return _Run(recipe, dataset, targets, workspace, progress, memory).run()


class _Run:
    def __init__(
        self,
        recipe: Recipe,
        dataset: RetrievalDataset,
        targets: tuple[Target, ...],
        workspace: Workspace,
        progress: Progress,
        memory: MemoryWatch,
    ) -> None:
        self._recipe, self._dataset, self._targets = recipe, dataset, targets
        self._workspace, self._progress = workspace, progress
        self._manifest = Manifest(workspace, memory)
        data = recipe.data
        with self._manifest.timed("read data"):
            self._shards = ExampleShards(
                self._dataset,
                data.train,
                limit=data.limit,
                limit_per_language=data.limit_per_language,
                seed=recipe.seeds[0],
                relevance=data.relevance,
                shard_size=data.shard_size,
            )
        self._trainings = TrainingRunner(recipe, workspace, dataset, self._shards.pairs, self._manifest, progress)
        self._data_fingerprint = self._dataset.fingerprint(data.train)
        limits = [data.limit, data.limit_per_language]
        drawn = [
            [limit and [limit, recipe.seeds[0]] for limit in limits],
            data.relevance,
            data.shard_size,
            data.language,
        ]
        self._stage_runner = StageRunner(
            workspace,
            self._shards,
            data=fingerprint([self._data_fingerprint, drawn]),
            filled=filled_parameters(recipe),
            progress=progress,
            engine=engine_of(recipe.engine, progress),
        )
        self._measuring = None
        if recipe.evaluate is not None:
            self._measuring = EvaluationRun(workspace, targets, recipe.evaluate, progress)

    def run(self) -> ReportData:
        ready = self._check_claims()
        # Only a run that goes on may say what the folder was made with.
        write_text(self._workspace.recipe_file, sealed_text(to_yaml(self._recipe.to_dict())))
        self._announce(ready)
        try:
            if self._asks():
                check_model_of(self._recipe)
            if self._recipe.llm is not None and self._recipe.llm.require_accuracy is not None:
                check_judge_of(self._recipe, self._progress, lowest=self._recipe.llm.require_accuracy)
            rows = [self._system(name) for name in self._recipe.systems]
            rows = [*self._baselines(), *rows]
            baseline = self._recipe.evaluate.baseline if self._recipe.evaluate else None
            report = report_of_scores(
                self._recipe.name, self._dataset, self._data_fingerprint, rows, self._targets, baseline, self._leaked()
            )
            write_results(report, self._workspace.folder, query_values(rows, self._targets))
        finally:
            self._manifest.facts = {"data": self._data_fingerprint, "seeds": list(self._recipe.seeds)}
            self._manifest.asked(current_session().usage.to_dict())
            self._manifest.write()
        return report

    def _asks(self) -> bool:
        """Tell whether a stage that is still to be computed asks the model of the recipe."""
        return any(
            stage.params.get(CHAT_GENERATOR, LLM) == LLM and asks_model(stage)
            for stages in self._recipe.systems.values()
            for seed in self._recipe.seeds
            for stage in self._stage_runner.unfinished(stages, seed)
        )

    def _leaked(self) -> Mapping[str, Mapping[str, int]]:
        """Count what of the targets is trained on; the draw of the examples is part of what they are told by."""
        if self._recipe.train is None:
            return {}
        return leaked(self._workspace, self._shards, self._targets, self._stage_runner.data, self._progress)

    def _check_claims(self) -> int:
        """Refuse to mix two recipes in one folder, before anything in it changes; return the trainings that are ready.

        What is mined with a model that is still to be trained is checked when its turn comes.
        """
        ready = 0
        for name, stages in self._recipe.systems.items():
            for seed in self._recipe.seeds:
                mined = self._stage_runner.fingerprint(stages, seed)
                if mined is not None:
                    identity = self._trainings.identity(name, mined, seed)
                    ready += self._workspace.claim(name, seed).check(mined, identity)
        return ready

    def _announce(self, ready: int) -> None:
        """Say what the run will cost before it starts."""
        recipe, shards = self._recipe, self._shards
        self._progress.say(
            f"{recipe.name}: {len(shards.queries):,} queries with {shards.pairs:,} positives, "
            f"{len(self._dataset.corpus):,} passages; {len(recipe.systems)} systems, seeds {list(recipe.seeds)}"
        )
        for line in self._dataset.left_out_examples:
            self._progress.say(f"left out: {line}")
        if recipe.train is not None:
            trainings, steps = len(recipe.systems) * len(recipe.seeds), self._trainings.steps
            self._progress.say(f"training: {trainings} models of {steps:,} steps each, {ready} of them ready")

    def _system(self, name: str) -> Row:
        stages = self._recipe.systems[name]
        row = Row(System(name))
        runs: list[TrainingRun] = []
        warnings: list[str] = []
        counts: tuple[StageCounts, ...] = ()
        for seed in self._recipe.seeds:
            with self._manifest.timed(f"mine: {name}, seed {seed}"):
                shards, mined, folders = self._stage_runner.mine(stages, seed)
            mined_counts = stage_counts([(s.name, folder.counts()) for s, folder in zip(stages, folders, strict=True)])
            warnings += self._warnings(name, seed, mined_counts, shards)
            counts = counts or self._labelled(mined_counts, seed)
            identity = self._trainings.identity(name, mined, seed)
            finished = self._workspace.claim(name, seed).check(mined, identity)
            folder = self._workspace.system(name, seed)
            self._workspace.record_stages(name, seed, folders, len(shards))
            write = partial(write_triplets, shards, language=self._trainings.by_language)
            made_of = f"{mined} language" if self._trainings.by_language else mined
            self._workspace.replace_folder(folder / "triplets", made_of, write)
            if identity is not None:
                runs.append(self._trainings.train(name, seed, identity, shards, finished=finished))
                row.scores.update(self._measured(name, runs[-1]))
        base = (self._trainings.base_model, self._trainings.base_identity)
        row.system = System(name, *base, counts, tuple(runs), tuple(warnings))
        return row

    def _warnings(self, name: str, seed: int, counts: tuple[StageCounts, ...], shards: Shards) -> list[str]:
        """Return, and say, what a reader must know of the negatives; style is looked at for the first seed alone."""
        warnings = []
        if counts and not counts[-1].kept:
            warnings.append(f"seed {seed}: its stages keep no negative; it trains on in-batch negatives alone")
        if seed == self._recipe.seeds[0] and (style := style_warning(shards)):
            warnings.append(style)
        for warning in warnings:
            self._progress.say(f"WARNING: {name}: {warning}")
        return warnings

    def _labelled(self, counts: tuple[StageCounts, ...], seed: int) -> tuple[StageCounts, ...]:
        """Say whose counts they are where there are several: the table shows those of the first seed."""
        if len(self._recipe.seeds) == 1:
            return counts
        return tuple(replace(count, stage=f"{count.stage} (seed {seed})") for count in counts)

    def _measured(self, name: str, run: TrainingRun) -> dict[int | None, dict[str, Scores]]:
        return {} if self._measuring is None else {run.seed: self._measuring.measure(model_line(name, run))}

    def _baselines(self) -> list[Row]:
        """Measure BM25 retrieval and the untrained model: lines of every table."""
        if self._measuring is None:
            return []
        with self._manifest.timed("evaluate: BM25 retrieval"):
            rows = [Row(System(BM25_LINE), {None: self._measuring.measure(bm25_line())})]
        if self._recipe.train is not None:
            line = untrained_line(*self._trainings.untrained(self._recipe.seeds[0]))
            with self._manifest.timed("evaluate: untrained"):
                scores = self._measuring.measure(line)
            base = (self._trainings.base_model, self._trainings.base_identity)
            rows.append(Row(System(UNTRAINED_LINE, *base), {None: scores}))
        return [*rows, *self._given_models(self._measuring)]

    def _given_models(self, measuring: EvaluationRun) -> Iterator[Row]:
        models = (self._recipe.evaluate.models or {}) if self._recipe.evaluate else {}
        prompts = (self._recipe.evaluate.prompts or {}) if self._recipe.evaluate else {}
        for name, model in models.items():
            with self._manifest.timed(f"evaluate: {name}"):
                yield Row(
                    System(name, model, base_model_identity(model)),
                    {None: measuring.measure(model_system(name, model, prompts.get(name)))},
                )
