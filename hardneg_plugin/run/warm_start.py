"""Warm starts: continue training from the base model, an earlier system, or a system of another run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.recipe.schema import RUN_PREFIX, Recipe
from hardneg_plugin.report import read_results
from hardneg_plugin.run.workspace import Workspace
from hardneg_plugin.training.folder import TrainingFolder


class WarmStart:
    """The models that trainings go on from.

    :param recipe: The recipe.
    :param workspace: Its run folder; other runs are folders beside it.
    :param own_steps: Gives the steps of each training of the recipe.
    """

    def __init__(self, recipe: Recipe, workspace: Workspace, own_steps: Callable[[], int]) -> None:
        self._recipe, self._workspace, self._own_steps = recipe, workspace, own_steps

    def ready(self, name: str, seed: int) -> bool:
        """Tell whether the model to continue from exists already; a system of this recipe may still have to be trained.

        :raises WorkspaceError: If a model of another run is not there.
        """
        start = self._recipe.start_from.get(name)
        if start is None or start.startswith(RUN_PREFIX):
            return start is None or bool(self.model(name, seed))
        return self._workspace.trained(start, seed)

    def model(self, name: str, seed: int) -> str | None:
        """Return the folder of the model that a system goes on from; None starts from the base model.

        :raises WorkspaceError: If it is not trained.
        """
        start = self._recipe.start_from.get(name)
        if start is None or not start.startswith(RUN_PREFIX):
            return None if start is None else self._workspace.trained_model(start, seed)
        run, system = self._other(start)
        model = run / "systems" / system / f"seed-{seed}" / "model"
        if not model.is_dir():
            msg = f"start_from.{name}: {model} is not there; `hardneg run {run.name}` with seed {seed} trains it"
            raise WorkspaceError(msg)
        TrainingFolder(model.parent).check_model()
        return str(model)

    def steps(self, name: str, seed: int) -> int:
        """Return the steps that the model a system goes on from was trained for, all together.

        :raises WorkspaceError: If another run has no report yet.
        """
        start = self._recipe.start_from.get(name)
        if start is None:
            return 0
        if not start.startswith(RUN_PREFIX):
            return self._own_steps() + self.steps(start, seed)
        run, system = self._other(start)
        results = run / "results.json"
        if not results.is_file():
            msg = f"start_from.{name}: the run {run} is not finished; `hardneg run {run.name}` goes on with it"
            raise WorkspaceError(msg)
        runs = [run for one in read_results(results).systems if one.name == system for run in one.training]
        return next(run.total_steps for run in runs if run.seed == seed)

    def _other(self, start: str) -> tuple[Path, str]:
        run, _, system = start.removeprefix(RUN_PREFIX).partition("/")
        return self._workspace.folder.parent / run, system
