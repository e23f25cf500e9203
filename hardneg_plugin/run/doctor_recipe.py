"""Check what a recipe names: packages, datasets, models, and the server of its language model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardneg_plugin.errors import DatasetError, HardnegError, RecipeError
from hardneg_plugin.files import free_disk
from hardneg_plugin.run.cost import size
from hardneg_plugin.run.doctor import Check, faiss_check, optional_check

if TYPE_CHECKING:
    from hardneg_plugin.recipe.schema import Recipe

# Either says that a repository of the hub is a model.
_MODEL_FILES = ("config.json", "modules.json")


def recipe_checks(recipe: str, overrides: Sequence[str]) -> Iterator[Check]:
    """Yield what a recipe needs, and whether it is here.

    :param recipe: Path, or name of one that comes with the package.
    :param overrides: ``dotted.key=value`` pairs.
    """
    try:
        loaded, read = _loaded(recipe, overrides)
    except ImportError as error:
        yield Check("recipe", "missing", f"{recipe} cannot be read: {error}", "install what is missing above")
        return
    except RecipeError as error:
        yield Check("recipe", "missing", str(error), "mend the recipe; `hardneg validate` lists all mistakes")
        return
    yield read
    resolved = loaded.to_dict()
    yield from _package_checks(resolved)
    yield from _file_checks(resolved)
    yield from _hub_checks(loaded)
    yield from _model_checks(resolved)
    if loaded.llm is not None:
        from hardneg_plugin.run.doctor_server import server_checks

        yield from server_checks(loaded.llm)


def _loaded(recipe: str, overrides: Sequence[str]) -> tuple[Recipe, Check]:
    from hardneg_plugin.recipe.load import load_recipe

    try:
        loaded = load_recipe(recipe, overrides)
    except ImportError as error:
        # The settings of a training are the trainer's own; where no other key needs them, all else can be looked at.
        try:
            loaded = load_recipe(recipe, [*overrides, "train=null"])
        except RecipeError:
            raise error from None
        detail = f"{loaded.name}: `train` cannot be checked: {error}"
        return loaded, Check("recipe", "missing", detail, "install what is missing above")
    return loaded, Check("recipe", "ok", f"{loaded.name}: no mistakes")


def _package_checks(resolved: Mapping[str, Any]) -> Iterator[Check]:
    if resolved["engine"] == "ray":
        yield optional_check("ray", needed_by="engine")
    if (resolved["train"] or {}).get("lora") is not None:
        yield optional_check("peft", needed_by="train.lora")
    approximate = [
        f"systems.{system}[{number}].{name}.index"
        for system, stages in resolved["systems"].items()
        for number, stage in enumerate(stages)
        for name, params in stage.items()
        if params.get("index") in ("ivf", "hnsw")
    ]
    if approximate:
        yield faiss_check(needed_by=approximate[0])


def _file_checks(resolved: Mapping[str, Any]) -> Iterator[Check]:
    """Yield the folders and files that are not there; one line where all are."""
    from hardneg_plugin.recipe.outlook import missing_datasets, missing_inputs

    lost = list(dict.fromkeys([*missing_inputs(resolved), *missing_datasets(resolved)]))
    for line in lost:
        path, _, detail = line.partition(": ")
        yield Check(path, "missing", detail, f"put it there, or give another: --set {path}=...")
    if not lost:
        yield Check("files", "ok", "every folder and file that the recipe names is there")


def _hub_checks(recipe: Recipe) -> Iterator[Check]:
    """Yield each dataset of the recipe: here, to be downloaded, or not to be had."""
    from huggingface_hub import constants

    from hardneg_plugin.recipe.outlook import missing_datasets
    from hardneg_plugin.run.estimate import hub_files

    try:
        files = list({file.where: file for file in hub_files(recipe)}.values())
    except DatasetError as error:
        yield Check("datasets", "missing", str(error), "give another dataset: --set data.dataset=...")
        return
    planned = 0
    for name in dict.fromkeys(file.dataset for file in files):
        absent = [file for file in files if file.dataset == name and not file.present]
        if not absent:
            yield Check(name, "ok", "on this machine")
            continue
        needed = sum(file.bytes or 0 for file in absent)
        fetch = f"`hardneg download {name.replace('?rows=', ' --limit ')}`"
        detail = f"{len(absent)} files to download, {size(needed) if needed else 'of a size that the hub knows'}"
        if constants.HF_HUB_OFFLINE:
            yield Check(
                name, "missing", f"not here: {detail}, and the hub is offline", f"unset HF_HUB_OFFLINE; {fetch}"
            )
            continue
        # What the datasets before it take is gone.
        free = free_disk(Path(constants.HF_HUB_CACHE)) - planned
        planned += needed
        if needed > free:
            yield Check(name, "missing", f"{detail}, and {size(max(free, 0))} are free", "free some disk")
        else:
            yield Check(name, "warning", detail, f"a run fetches it; {fetch} does so now")
    if not files and not list(missing_datasets({**recipe.to_dict(), "evaluate": None})):
        yield _local_dataset(recipe.data.spec)


def _local_dataset(spec: str) -> Check:
    from hardneg_plugin.datasets import load_dataset

    if "://" in spec:
        return Check("data.dataset", "warning", f"{spec} is on another file system, which is not asked here")
    try:
        load_dataset(spec, fetch=False)
    except HardnegError as error:
        return Check("data.dataset", "missing", str(error), "put it there, or give another: --set data.dataset=...")
    return Check("data.dataset", "ok", f"{spec} is here")


def _model_checks(resolved: Mapping[str, Any]) -> Iterator[Check]:
    """Yield each model that is loaded from the hub; what is neither here nor an id is told with the files."""
    from hardneg_plugin.recipe.outlook import named_models
    from hardneg_plugin.search.models import local_folder

    paths: dict[str, str] = {}
    for path, model in named_models(resolved):
        paths.setdefault(model, path)
    for model, path in paths.items():
        try:
            folder = local_folder(model, path)
        except HardnegError:
            continue
        yield _hub_model(model, path) if folder is None else Check(path, "ok", f"{model} is here")


def _hub_model(model: str, path: str) -> Check:
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    owner = model if "/" in model else f"sentence-transformers/{model}"
    try:
        found = [try_to_load_from_cache(name, file) for name in (model, owner) for file in _MODEL_FILES]
    except HFValidationError as error:
        return Check(path, "missing", f"{model}: {error}", f"give another model: --set {path}=...")
    if any(isinstance(file, str) for file in found):
        return Check(path, "ok", f"{model} is in the hub's cache")
    remedy = f"`hf download {model}`, or give a folder: --set {path}=..."
    if constants.HF_HUB_OFFLINE:
        return Check(path, "missing", f"{model} is not here, and the hub is offline", f"unset HF_HUB_OFFLINE; {remedy}")
    return Check(path, "warning", f"{model} is not here: a run fetches it from the hub", remedy)
