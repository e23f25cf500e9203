"""Running a recipe: mine, train, evaluate, report; whatever is there already is not done again."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.components import SentenceTransformersTrainer
from hardneg_plugin.datasets import ExampleShards, RetrievalDataset, load_dataset
from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.evaluation import Retriever, Scores, model_retriever
from hardneg_plugin.recipe.check import signature_defaults
from hardneg_plugin.recipe.manifest import Manifest
from hardneg_plugin.recipe.measuring import Line, Measuring
from hardneg_plugin.recipe.mining import LocalEngine, write_triplets
from hardneg_plugin.recipe.progress import Progress
from hardneg_plugin.recipe.reporting import Row, query_values, report_of_scores, stage_counts, training_run
from hardneg_plugin.recipe.schema import BM25_LINE, UNTRAINED_LINE, Recipe
from hardneg_plugin.recipe.splits import check_splits
from hardneg_plugin.recipe.workspace import IfExists, Workspace, write_text
from hardneg_plugin.recipe.yaml_text import to_yaml
from hardneg_plugin.report import ReportData, StageCounts, System, TrainingRun, write_results
from hardneg_plugin.search.bm25 import BM25Index, index_key
from hardneg_plugin.text import Analyzer
from hardneg_plugin.training import planned_steps
from hardneg_plugin.training.base_model import base_model_identity


def run_recipe(
    recipe: Recipe, runs: Path, *, if_exists: IfExists = "reuse", progress: Progress | None = None
) -> ReportData:
    """Run a recipe to its report.

    Kill it anywhere and run it again: finished parts, triplets, models and measurements are taken as they are.

    :param recipe: The recipe.
    :param runs: Folder of run folders.
    :param if_exists: ``reuse`` goes on with an earlier run, ``overwrite`` removes it, ``error`` refuses.
    :param progress: Where progress is shown.
    :returns: What ``results.json`` holds.
    :raises HardnegError: If data, stages or training cannot work, or another run is using the run folder.
    """
    dataset = load_dataset(recipe.data.spec)
    check_splits(recipe, dataset)
    folder = runs / recipe.name
    if recipe.source is not None and folder.resolve() in recipe.source.parents:
        msg = f"{recipe.source} lies inside its own run folder {folder}; copy it elsewhere, or --set name=…"
        raise WorkspaceError(msg)
    with Workspace.open(folder, if_exists) as workspace:
        return _Run(recipe, dataset, workspace, progress or Progress()).run()


class _Run:
    def __init__(self, recipe: Recipe, dataset: RetrievalDataset, workspace: Workspace, progress: Progress) -> None:
        self._recipe, self._dataset, self._workspace, self._progress = recipe, dataset, workspace, progress
        self._manifest = Manifest(workspace)
        data = recipe.data
        with self._manifest.timed("read data"):
            self._shards = ExampleShards(
                self._dataset,
                data.train,
                limit=data.limit,
                seed=recipe.seeds[0],
                relevance=data.relevance,
                shard_size=data.shard_size,
            )
        self._data_fingerprint = self._dataset.fingerprint(data.train)
        drawn = [data.limit and [data.limit, recipe.seeds[0]], data.relevance, data.shard_size, data.language]
        self._engine = LocalEngine(
            workspace,
            self._shards,
            data=fingerprint([self._data_fingerprint, drawn]),
            filled={"corpus": data.spec, "language": data.language, **self._mining_model()},
            progress=progress,
        )
        self._measuring = None
        if recipe.evaluate is not None:
            self._measuring = Measuring(workspace, self._dataset, recipe.evaluate, progress)

    def _mining_model(self) -> dict[str, str]:
        # A static model from scratch has nothing to mine with before it is trained.
        return {} if self._base_model in ("", "static") else {"model": self._base_model}

    def run(self) -> ReportData:
        ready = self._check_claims()
        # Only a run that goes on may say what the folder was made with.
        write_text(self._workspace.recipe_file, to_yaml(self._recipe.to_dict()))
        self._announce(ready)
        try:
            rows = [self._system(name) for name in self._recipe.systems]
            rows = [*self._baselines(), *rows]
            splits = self._recipe.evaluate.splits if self._recipe.evaluate else ()
            report = report_of_scores(
                self._recipe.name,
                self._dataset,
                self._data_fingerprint,
                rows,
                splits,
                self._recipe.evaluate.baseline if self._recipe.evaluate else None,
            )
            write_results(report, self._workspace.folder, query_values(rows, self._dataset))
        finally:
            self._manifest.facts = {"data": self._data_fingerprint, "seeds": list(self._recipe.seeds)}
            self._manifest.write()
        return report

    def _check_claims(self) -> int:
        """Refuse to mix two recipes in one folder, before anything in it changes; return the trainings that are ready.

        What is mined with a model that is still to be trained is checked when its turn comes.
        """
        ready = 0
        for name, stages in self._recipe.systems.items():
            for seed in self._recipe.seeds:
                mined = self._engine.fingerprint(stages, seed)
                if mined is not None:
                    ready += self._workspace.claim(name, seed).check(mined, self._identity(mined, seed))
        return ready

    def _identity(self, mined: str, seed: int) -> str | None:
        return None if self._recipe.train is None else self._training_identity(mined, seed)

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
            trainings = len(recipe.systems) * len(recipe.seeds)
            self._progress.say(f"training: {trainings} models of {self._steps():,} steps each, {ready} of them ready")

    def _steps(self) -> int:
        train = self._recipe.train or {}
        accumulation = (train["arguments"] or {}).get("gradient_accumulation_steps", 1)
        return planned_steps(
            self._shards.pairs, train["batch_size"], train["epochs"], accumulation, max_steps=train["max_steps"]
        )

    def _system(self, name: str) -> Row:
        stages = self._recipe.systems[name]
        row = Row(System(name))
        runs: list[TrainingRun] = []
        counts: tuple[StageCounts, ...] = ()
        for seed in self._recipe.seeds:
            with self._manifest.timed(f"mine: {name}, seed {seed}"):
                shards, mined, folders = self._engine.mine(stages, seed)
            mined_counts = stage_counts([(s.name, folder.counts()) for s, folder in zip(stages, folders, strict=True)])
            self._warn_without_negatives(name, seed, mined_counts)
            counts = counts or self._labelled(mined_counts, seed)
            identity = self._identity(mined, seed)
            self._workspace.claim(name, seed).check(mined, identity)
            folder = self._workspace.system(name, seed)
            self._workspace.replace_folder(folder / "triplets", mined, partial(write_triplets, shards))
            if identity is not None:
                runs.append(self._train(name, seed, identity))
                row.scores.update(self._measured(name, runs[-1]))
        row.system = System(name, self._base_model, self._base_identity, counts, tuple(runs))
        return row

    def _warn_without_negatives(self, name: str, seed: int, counts: tuple[StageCounts, ...]) -> None:
        if counts and not counts[-1].kept:
            self._progress.say(
                f"WARNING: {name}, seed {seed}: its stages keep no negative; it trains on in-batch negatives alone"
            )

    def _labelled(self, counts: tuple[StageCounts, ...], seed: int) -> tuple[StageCounts, ...]:
        """Say whose counts they are where there are several: the table shows those of the first seed."""
        if len(self._recipe.seeds) == 1:
            return counts
        return tuple(replace(count, stage=f"{count.stage} (seed {seed})") for count in counts)

    def _measured(self, name: str, run: TrainingRun) -> dict[int | None, dict[str, Scores]]:
        if self._measuring is None:
            return {}
        # The weights are what is measured, whatever settings they came from.
        line = Line(name, run.seed, run.model_fingerprint, partial(self._model, run.model))
        return {run.seed: self._measuring.measure(line)}

    def _train(self, name: str, seed: int, identity: str) -> TrainingRun:
        from datasets import load_from_disk

        folder = self._workspace.system(name, seed)
        self._progress.say(f"train: {name}, seed {seed}")
        with self._manifest.timed(f"train: {name}, seed {seed}"):
            trainer = self._trainer(seed, folder)
            trainer.warm_up()
            self._workspace.claim(name, seed).take(identity)
            trained = trainer.run(triplets=load_from_disk(folder / "triplets"))
        return training_run(seed, trained["training"], trained["model"], base_model_identity(trained["model"]))

    def _trainer(self, seed: int, folder: Path) -> SentenceTransformersTrainer:
        # Every system gets the same steps, also one that a filter left with fewer rows.
        budget = {"max_steps": self._steps(), "seed": seed, "output_dir": str(folder)}
        return SentenceTransformersTrainer(**{**(self._recipe.train or {}), "corpus": self._dataset.spec, **budget})

    def _training_identity(self, mined: str, seed: int) -> str:
        # A parameter at its default does not count: a new one must not make an earlier training another one.
        defaults = signature_defaults(SentenceTransformersTrainer)
        train = {
            key: value
            for key, value in (self._recipe.train or {}).items()
            if key not in ("progress", "save_steps") and (key not in defaults or value != defaults[key])
        }
        return fingerprint([mined, seed, self._base_identity, train])

    @property
    def _base_model(self) -> str:
        return str(self._recipe.train["base_model"]) if self._recipe.train else ""

    @cached_property
    def _base_identity(self) -> str:
        if not self._base_model:
            return ""
        # A static model's word pieces come from the corpus.
        return base_model_identity(self._base_model) if self._base_model != "static" else self._dataset.corpus.key

    def _baselines(self) -> list[Row]:
        """Measure BM25 retrieval and the untrained model: lines of every table."""
        if self._measuring is None:
            return []
        identity = index_key(self._dataset.corpus, Analyzer())
        with self._manifest.timed("evaluate: BM25 retrieval"):
            scores = self._measuring.measure(Line("bm25-retrieval", None, identity, self._bm25))
        rows = [Row(System(BM25_LINE), {None: scores})]
        if self._recipe.train is not None:
            seed = self._recipe.seeds[0]
            identity = self._training_identity("untrained", seed)
            line = Line("untrained", None, identity, partial(self._untrained, seed))
            with self._manifest.timed("evaluate: untrained"):
                scores = self._measuring.measure(line)
            system = System(UNTRAINED_LINE, base_model=self._base_model, base_fingerprint=self._base_identity)
            rows.append(Row(system, {None: scores}))
        return rows

    def _bm25(self) -> Retriever:
        return BM25Index(self._dataset.corpus).search

    def _untrained(self, seed: int) -> Retriever:
        return self._model(self._trainer(seed, self._workspace.folder).untrained())

    def _model(self, model: Any) -> Retriever:
        return model_retriever(model, self._dataset.corpus)
