"""Check that a stage will find its input: sources and scores of earlier stages, folders, files and models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.datasets import parse_spec
from hardneg_plugin.datasets.remote import is_remote
from hardneg_plugin.datasets.spec import FILE_KINDS, UNION
from hardneg_plugin.errors import HardnegError
from hardneg_plugin.mining.candidate_labels import is_label_file
from hardneg_plugin.recipe.schema import SYSTEM_PREFIX
from hardneg_plugin.search.models import local_folder
from hardneg_plugin.training.base_model import STATIC


class Outlook:
    """Sources and scores that the stages of a system write, one stage after another."""

    def __init__(self) -> None:
        self._sources: list[str] = []
        self._scorers: list[str] = []
        # Whether a stage writes names that only a run knows, so that none can be called missing.
        self._open = False

    def mistakes(self, stage: StageComponent, path: str) -> list[str]:
        """Return what a stage asks for that no stage before it writes, and what it writes a second time."""
        if self._open:
            return []
        faults = stage.unmet(self._sources, self._scorers)
        if stage.added_source in self._sources:
            faults["source"] = f"a stage before it writes {stage.added_source!r} already; give one of them another name"
        return [f"{path}.{name}: {message}" for name, message in faults.items()]

    def pass_stage(self, stage: StageComponent | None, params: Mapping[str, Any]) -> None:
        """Take note of what a stage writes.

        :param stage: The stage; None where it cannot be built, so that nobody knows what it writes.
        :param params: Its parameters in the recipe.
        """
        if stage is None:
            self._open = True
            return
        self._sources += [stage.added_source] if stage.added_source else []
        self._scorers += stage.added_scorers
        trained = str(params.get("model")).startswith(SYSTEM_PREFIX)
        unnamed = stage.added_candidates > 0 and not stage.added_source
        # Scores are called by the folder of the model where nothing else names them.
        self._open |= unnamed or (trained and bool(stage.added_scorers) and not stage.added_source)


def missing_inputs(resolved: Mapping[str, Any]) -> Iterator[str]:
    """Yield what of a recipe's folders, files and models is not there, each with its path.

    The dataset of the recipe itself is looked for where it is read.

    :param resolved: The recipe; values of a wrong type are passed over, since they are reported as such.
    """
    for system, stages in resolved["systems"].items():
        for number, stage in enumerate(stages):
            ((name, params),) = stage.items()
            path = f"systems.{system}[{number}].{name}"
            yield from _missing_data(params.get("corpus"), f"{path}.corpus")
            yield from _missing_folder(params.get("index") if name == "bm25" else None, f"{path}.index")
            labels = params.get("labels")
            if isinstance(labels, str) and is_label_file(labels) and not Path(labels).expanduser().is_file():
                yield f"{path}.labels: there is no file {labels}"
    recorded = _mapping(resolved["llm"]).get("recorded")
    if isinstance(recorded, str) and not Path(recorded).expanduser().is_file():
        yield f"llm.recorded: there is no file {recorded}"
    for path, model in named_models(resolved):
        yield from _missing_model(model, path)


def named_models(resolved: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the path and the name of each model that is to be loaded: a folder, or an id of the hub.

    :param resolved: The recipe; values of a wrong type are passed over, since they are reported as such.
    """
    train = _mapping(resolved["train"])
    written = [
        *(
            (f"systems.{system}[{number}].{name}.model", params.get("model"))
            for system, stages in resolved["systems"].items()
            for number, stage in enumerate(stages)
            for name, params in stage.items()
        ),
        ("train.base_model", train.get("base_model")),
        ("train.loss_args.guide", _mapping(train.get("loss_args")).get("guide")),
        *(
            (f"evaluate.models.{name}", model)
            for name, model in _mapping(_mapping(resolved["evaluate"]).get("models")).items()
        ),
    ]
    for path, model in written:
        if isinstance(model, str) and model != STATIC and not model.startswith(SYSTEM_PREFIX):
            yield path, model


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def missing_datasets(resolved: Mapping[str, Any]) -> Iterator[str]:
    """Yield which folders and files of the datasets that are mined and measured are not there.

    :param resolved: The recipe; every value in it is right.
    """
    yield from _missing_data(resolved["data"]["dataset"], "data.dataset")
    for name, other in ((resolved["evaluate"] or {}).get("datasets") or {}).items():
        yield from _missing_data(other["dataset"], f"evaluate.datasets.{name}.dataset")


def _missing_model(model: str, what: str) -> Iterator[str]:
    folder = Path(model).expanduser()
    # A hub id looks like a relative path; only what says that it is a path is taken as one.
    if model.startswith((".", "/", "~")) and not folder.is_dir():
        yield f"{what}: there is no folder {model}"
        return
    try:
        local_folder(model, what)
    except HardnegError as error:
        yield str(error)


def _missing_folder(folder: object, what: str) -> Iterator[str]:
    if isinstance(folder, str) and not Path(folder).expanduser().is_dir():
        yield f"{what}: there is no folder {folder}"


def _missing_data(spec: object, what: str) -> Iterator[str]:
    if not isinstance(spec, str) or spec.startswith("cache:"):
        return
    try:
        parts = [parse_spec(part) for part in spec.split(UNION)]
    except HardnegError as error:
        yield f"{what}: {error}"
        return
    for part in parts:
        local = part.kind in FILE_KINDS and not is_remote(part.path)
        if local and not Path(part.path).expanduser().exists():
            yield f"{what}: there is no folder or file {part.path}"
