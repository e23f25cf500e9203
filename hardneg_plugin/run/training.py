"""The trainings of a recipe: their budget, what each starts from, and the fingerprint that tells them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.components import SentenceTransformersTrainer
from hardneg_plugin.datasets import RetrievalDataset
from hardneg_plugin.identity import counted
from hardneg_plugin.recipe.schema import Recipe
from hardneg_plugin.report import TrainingRun
from hardneg_plugin.run.local import Shards
from hardneg_plugin.run.manifest import Manifest
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.reporting import training_run
from hardneg_plugin.run.warm_start import WarmStart
from hardneg_plugin.run.workspace import Workspace
from hardneg_plugin.training import planned_steps
from hardneg_plugin.training.base_model import STATIC, base_model_identity
from hardneg_plugin.training.languages import MIXED
from hardneg_plugin.training.settings import vocabulary_identity
from hardneg_plugin.validation import signature_defaults

# They change when and how it is shown, not what is trained; the last three are the engine's, which counts them itself.
_NO_PART = ("progress", "save_steps", "output_dir", "seed", "corpus")


class TrainingRunner:
    """Trains the systems of a recipe, all by the same number of steps.

    :param recipe: The recipe.
    :param workspace: Where models go.
    :param dataset: What is trained on.
    :param pairs: Pairs of a query and a positive in it; they, not the negatives, decide over the steps.
    :param manifest: Where times are kept.
    :param progress: Where progress is shown.
    """

    def __init__(
        self,
        recipe: Recipe,
        workspace: Workspace,
        dataset: RetrievalDataset,
        pairs: int,
        manifest: Manifest,
        progress: Progress,
    ) -> None:
        self._recipe, self._workspace, self._dataset, self._pairs = recipe, workspace, dataset, pairs
        self._manifest, self._progress = manifest, progress
        self._starts = WarmStart(recipe, workspace, lambda: self.steps)

    @property
    def base_model(self) -> str:
        """Base model of the trainings that do not continue another; empty if nothing is trained."""
        return str(self._recipe.train["base_model"]) if self._recipe.train else ""

    @property
    def by_language(self) -> bool:
        """Tell whether the trainer uses the language of a row."""
        train = self._recipe.train or {}
        return train.get("language_exponent") is not None or train.get("batch_languages", MIXED) != MIXED

    @cached_property
    def base_identity(self) -> str:
        """Fingerprint of the base model."""
        if not self.base_model:
            return ""
        # A static model's word pieces come from the corpus.
        return base_model_identity(self.base_model) if self.base_model != STATIC else self._dataset.corpus.key

    @cached_property
    def steps(self) -> int:
        """Optimiser steps of each training."""
        train = self._recipe.train or {}
        accumulation = (train["arguments"] or {}).get("gradient_accumulation_steps", 1)
        return planned_steps(
            self._pairs, train["batch_size"], train["epochs"], accumulation, max_steps=train["max_steps"]
        )

    def identity(self, name: str, mined: str, seed: int) -> str | None:
        """Return the fingerprint of a training; None where nothing is trained, or what it goes on from is not yet.

        :param name: The system.
        :param mined: Fingerprint of its examples.
        :param seed: Seed of the training.
        """
        if self._recipe.train is None or not self._starts.ready(name, seed):
            return None
        start = self._starts.model(name, seed)
        return self._fingerprint(
            mined, seed, self.base_identity if start is None else base_model_identity(start), self._settings(name)
        )

    def _settings(self, name: str) -> dict[str, Any]:
        return {**(self._recipe.train or {}), **self._recipe.train_by_system.get(name, {})}

    def _fingerprint(self, mined: str, seed: int, start: str, settings: Mapping[str, Any]) -> str:
        every = {**signature_defaults(SentenceTransformersTrainer, _NO_PART), **settings}
        train = counted(SentenceTransformersTrainer.__name__, {k: v for k, v in every.items() if k not in _NO_PART})
        train["vocabulary"] = vocabulary_identity(every["vocabulary"])
        return fingerprint([mined, seed, start, SentenceTransformersTrainer.version, train])

    def train(self, name: str, seed: int, identity: str, shards: Shards, *, finished: bool) -> TrainingRun:
        """Train a system on the triplets in its folder.

        :param name: The system.
        :param seed: Seed of the training.
        :param identity: Fingerprint of the training.
        :param shards: Its examples.
        :param finished: Whether this very training is finished; it is taken as it is.
        """
        folder = self._workspace.system(name, seed)
        with self._manifest.timed(f"train: {name}, seed {seed}"):
            if finished:
                trained = self._trained(name, seed, folder, shards)
            else:
                with self._progress.task(f"train: {name}, seed {seed}", 1) as advance:
                    self._workspace.claim(name, seed).take(identity)
                    trained = self._trained(name, seed, folder, shards)
                    advance(1)
        weights = base_model_identity(trained["model"])
        return training_run(seed, trained["training"], trained["model"], weights, self._starts.steps(name, seed))

    def _trained(self, name: str, seed: int, folder: Path, shards: Shards) -> dict[str, Any]:
        from datasets import load_from_disk

        trainer = self._trainer(seed, folder, self._starts.model(name, seed), self._settings(name))
        trainer.warm_up()
        # Only mining again looks at them.
        examples = None if trainer.refresh is None else [example for shard in shards for example in shard]
        return trainer.run(triplets=load_from_disk(folder / "triplets"), examples=examples)

    def _trainer(
        self, seed: int, folder: Path, start: str | None, settings: Mapping[str, Any]
    ) -> SentenceTransformersTrainer:
        # Every system gets the same steps, also one that a filter left with fewer rows.
        budget: dict[str, Any] = {"max_steps": self.steps, "seed": seed, "output_dir": str(folder)}
        if start is not None:
            budget["base_model"] = start
        return SentenceTransformersTrainer(**{**settings, "corpus": self._dataset.spec, **budget})

    def untrained(self, seed: int) -> tuple[str, Callable[[], Any]]:
        """Return the fingerprint of the model that training starts from, and what loads it."""
        settings = self._recipe.train or {}
        trainer = partial(self._trainer, seed, self._workspace.folder, None, settings)
        return self._fingerprint("untrained", seed, self.base_identity, settings), lambda: trainer().untrained()
