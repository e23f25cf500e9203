"""Check this machine, and what a recipe needs of it: packages, processor, cache, hub, datasets, models, server."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any, Literal, NamedTuple

from hardneg_plugin.cache import CACHE_VARIABLE, answers, cache_root, entries
from hardneg_plugin.errors import HardnegError
from hardneg_plugin.llm.verdicts import UNDECIDED

State = Literal["ok", "note", "missing"]
# Package → what it is needed for; the ones of `optional` only for parts.
REQUIRED = ("torch", "sentence-transformers", "transformers", "haystack-ai", "datasets", "bm25s", "numba", "ollama")
OPTIONAL = {
    "faiss-cpu": 'approximate indexes and clusters: pip install "hardneg[cpu]", or "hardneg[gpu]" for faiss-gpu-cu12',
    "ray": 'engine: ray: pip install "hardneg[ray]"',
    "peft": 'train.lora: pip install "hardneg[peft]"',
}
_FAISS = ("faiss-cpu", "faiss-gpu-cu12", "faiss-gpu")
_LEAST_PYTHON = (3, 11)
_LITTLE_DISK = 5e9


class Check(NamedTuple):
    """One thing that was looked at.

    :param name: The thing.
    :param state: ``missing`` keeps a recipe from running, ``note`` does not.
    :param detail: What was found.
    :param remedy: How to mend it; empty where nothing is to be mended.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""


def machine_checks() -> Iterator[Check]:
    """Check what is here whatever recipe runs; nothing is written, and nothing is asked of a server."""
    version = ".".join(map(str, sys.version_info[:3]))
    old = sys.version_info < _LEAST_PYTHON
    yield Check("Python", "missing" if old else "ok", version, "install Python 3.11 or newer" if old else "")
    yield from (_package(name) for name in REQUIRED)
    yield from (_optional(name, needed) for name, needed in OPTIONAL.items())
    yield _guarded("GPU", _gpu)
    yield _guarded("processor", _processor)
    yield _guarded("cache", _cache)
    yield _hub()


def recipe_checks(recipe: str, overrides: Sequence[str]) -> Iterator[Check]:
    """Check what a recipe needs: its mistakes, the datasets and models it names, and its language-model server.

    :param recipe: Name or path.
    :param overrides: ``dotted.key=value`` pairs.
    """
    try:
        from hardneg_plugin.recipe.load import load_recipe

        loaded = load_recipe(recipe, overrides)
    except (HardnegError, ImportError) as error:
        yield Check(f"recipe {recipe}", "missing", str(error), "mend what is named, or install what cannot be imported")
        return
    try:
        load_recipe(recipe, overrides, inputs="all")
        yield Check(f"recipe {recipe}", "ok", f"{len(loaded.systems)} systems; all files and folders it names are here")
    except HardnegError as error:
        yield Check(f"recipe {recipe}", "missing", str(error), "put it there, or name another by --set")
    yield from _datasets(loaded)
    yield from _models(loaded)
    if loaded.llm is not None:
        yield _guarded("language model", lambda: _language_model(loaded))


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """Run a check; what it cannot find out is a note, never an end."""
    try:
        return check()
    except HardnegError as error:
        return Check(name, "missing", str(error))
    except Exception as error:  # A broken library must not keep the other checks from being shown.
        return Check(name, "note", f"cannot be checked: {type(error).__name__}: {error}")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _package(name: str) -> Check:
    version = _installed(name)
    return Check(name, "ok", version) if version else Check(name, "missing", "not installed", f"pip install {name}")


def _optional(name: str, needed: str) -> Check:
    names, shown = (_FAISS, "faiss") if name == "faiss-cpu" else ((name,), name)
    found = [f"{one} {version}" for one in names if (version := _installed(one))]
    if found:
        return Check(shown, "ok", ", ".join(found))
    return Check(shown, "note", "not installed", f"only for {needed}")


def _gpu() -> Check:
    import torch

    if not torch.cuda.is_available():
        return Check("GPU", "ok", "no CUDA device; everything runs on the processor")
    devices = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return Check("GPU", "ok", ", ".join(f"{one.name} ({one.total_memory / 1e9:.0f} GB)" for one in devices))


def _processor() -> Check:
    from hardneg_plugin.search.dense.gemm import PRODUCTS
    from hardneg_plugin.search.dense.gemm_autotune import has_product
    from hardneg_plugin.search.threads import processors

    products = ", ".join(product.name for product in PRODUCTS if has_product(product))
    return Check("processor", "ok", f"{processors()} cores; products of the dense search: {products}")


def _cache() -> Check:
    root = cache_root()
    size = sum(entry.size for entry in (*entries(), *answers()))
    existing = next(folder for folder in (root, *root.parents) if folder.is_dir())
    free, writable = shutil.disk_usage(existing).free, os.access(existing, os.W_OK)
    detail = f"{root}: {size / 1e6:,.0f} MB used, {free / 1e9:,.0f} GB free"
    remedy = f"set {CACHE_VARIABLE} to a folder that can be written"
    if not writable:
        return Check("cache", "missing", f"{detail}; it cannot be written", remedy)
    return (
        Check("cache", "note", detail, f"{remedy} and has more room")
        if free < _LITTLE_DISK
        else Check("cache", "ok", detail)
    )


def _hub() -> Check:
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    detail = "offline (HF_HUB_OFFLINE)" if offline else "online: models and datasets may be downloaded"
    return Check("hub", "ok", detail)


def _datasets(loaded: Any) -> Iterator[Check]:
    from hardneg_plugin.datasets import parse_spec
    from hardneg_plugin.datasets.hub import download_plan, hub_names
    from hardneg_plugin.datasets.spec import UNION

    others = (loaded.evaluate.datasets or {}).values() if loaded.evaluate else ()
    specs = [loaded.data.spec, *(str(other["dataset"]) for other in others)]
    for part in dict.fromkeys(part for spec in specs for part in spec.split(UNION)):
        parsed = parse_spec(part)
        if parsed.kind not in hub_names():
            continue
        name = f"{parsed.kind}:{parsed.path}" if parsed.path else parsed.kind
        yield _hub_dataset(name, [file for file in download_plan(parsed.kind, parsed.path) if not file.present])


def _hub_dataset(name: str, missing: Sequence[Any]) -> Check:
    if not missing:
        return Check(f"dataset {name}", "ok", "downloaded")
    size = sum(file.bytes or 0 for file in missing)
    detail = f"{len(missing)} files, {size / 1e6:,.0f} MB to download"
    return Check(f"dataset {name}", "missing", detail, f"hardneg download {name}")


def _models(loaded: Any) -> Iterator[Check]:
    from hardneg_plugin.recipe.schema import SYSTEM_PREFIX
    from hardneg_plugin.search.models import local_folder
    from hardneg_plugin.training.base_model import STATIC

    named = [stage.params.get("model") for stages in loaded.systems.values() for stage in stages]
    named += [loaded.train["base_model"]] if loaded.train else []
    named += (loaded.evaluate.models or {}).values() if loaded.evaluate else []
    for model in dict.fromkeys(one for one in named if isinstance(one, str) and one != STATIC):
        if model.startswith(SYSTEM_PREFIX):
            continue
        try:
            folder = local_folder(model)
        except HardnegError:
            continue  # The recipe's own check names it.
        if folder is not None:
            yield Check(f"model {model}", "ok", "a folder")
        else:
            yield _hub_model(model)


def _hub_model(model: str) -> Check:
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(model, "config.json"), str):
        return Check(f"model {model}", "ok", "in the hub's cache")
    if _hub().detail.startswith("offline"):
        return Check(f"model {model}", "missing", "not here, and the hub is offline", "unset HF_HUB_OFFLINE once")
    return Check(f"model {model}", "note", "not here yet; it is downloaded when the recipe runs")


def _language_model(loaded: Any) -> Check:
    """Warm up the recipe's judge, which looks for server and model, and let it judge one query of known labels."""
    from hardneg_plugin.llm.session import session
    from hardneg_plugin.records import table_of
    from hardneg_plugin.run.judge_check import known_examples
    from hardneg_plugin.run.llm_session import judge_of

    if loaded.llm.recorded is not None:
        return Check("language model", "ok", f"recorded answers: {loaded.llm.recorded}")
    judge: Any = judge_of(loaded)
    judge.warm_up()
    try:
        with session() as asked:
            started = time.monotonic()
            examples = judge.run(examples=known_examples(["en"])[:1])["examples"]
            seconds, calls = time.monotonic() - started, asked.usage.total().calls
    finally:
        judge.close()
    verdicts = table_of(examples).label.strings()
    undecided = sum(label == UNDECIDED for label in verdicts)
    timed = f"{seconds:.1f} s for {len(verdicts)} passages" if calls else "answered from the cache"
    detail = f"{judge.chat_generator.model}{_facts(judge.chat_generator)}; {timed}"
    if undecided:
        remedy = "`hardneg judge-check` shows how well it judges; try a larger model"
        return Check("language model", "note", f"{detail}; {undecided} of them undecided", remedy)
    return Check("language model", "ok", detail)


def _facts(generator: Any) -> str:
    """Return what the server tells of the model, as far as the generator has asked for it."""
    where, found = getattr(generator, "where", ""), getattr(generator, "_found", None)
    context = getattr(found, "context", None)
    return (f" at {where}" if where else "") + (f", context of {context:,} tokens" if context else "")
