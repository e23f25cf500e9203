"""Check this machine: Python, packages, processor, GPUs, cache and hub, each with what to do."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from itertools import chain
from typing import Any, Literal, NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from hardneg_plugin import cache
from hardneg_plugin.files import free_disk
from hardneg_plugin.run.cost import size

State = Literal["ok", "warning", "missing"]
DISTRIBUTION = "hardneg"
# Told by name where they are right; all others are counted.
_SHOWN = ("torch", "sentence-transformers", "haystack-ai", "bm25s", "ollama", "numba")
_OPTIONAL = ("peft", "ray")
_FEATURES = ("avx2", "avx512f", "vnni", "bf16", "amx", "dotprod", "i8mm", "sve")
_LITTLE_DISK = 2e9
_HUB_SECONDS = 3.0


class Check(NamedTuple):
    """One check: its name, its state, what was found and the remedy.

    :param name: What was looked at.
    :param state: ``ok``, ``warning``, or ``missing``: what a recipe cannot run without.
    :param detail: What was found.
    :param remedy: What to do; empty where nothing is to be done.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""


def machine_checks() -> Iterator[Check]:
    """Yield what is true of the machine, whatever recipe is run."""
    yield python_check()
    yield from package_checks()
    yield faiss_check()
    yield cuda_check()
    yield processor_check()
    yield cache_check()
    yield hub_check()


def installed_version(package: str) -> str | None:
    """Return the version of an installed package without importing it; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def python_check(found: str | None = None) -> Check:
    """Check the version of Python.

    :param found: The version; None takes the one that runs.
    """
    version = found or platform.python_version()
    detail = f"{version} ({sys.executable})"
    try:
        needed = SpecifierSet(metadata.metadata(DISTRIBUTION)["Requires-Python"])
    except metadata.PackageNotFoundError:
        return Check("Python", "ok", detail)
    if not needed.contains(version, prereleases=True):
        return Check("Python", "missing", f"{detail}; {needed} is needed", f"install a Python {needed}")
    return Check("Python", "ok", detail)


def package_checks() -> Iterator[Check]:
    """Yield required packages that are not there or of a wrong version, those that are there, and optional ones."""
    try:
        written = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        remedy = "pip install -c constraints.txt -e ."
        yield Check("packages", "warning", "hardneg itself is not installed: what it needs cannot be told", remedy)
        return
    needed = [Requirement(line) for line in written]
    required = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    faults = [fault for one in required if (fault := _package_fault(one)) is not None]
    yield from faults
    shown = ", ".join(f"{name} {version}" for name in _SHOWN if (version := installed_version(name)))
    yield Check("packages", "ok", f"{len(required) - len(faults)} of {len(required)} required: {shown}")
    for name in _OPTIONAL:
        yield optional_check(name)


def _package_fault(needed: Requirement) -> Check | None:
    found = installed_version(needed.name)
    if found is not None and needed.specifier.contains(found, prereleases=True):
        return None
    came = "not installed" if found is None else f"{found} is installed"
    remedy = f"pip install '{needed.name}{needed.specifier}'"
    return Check(needed.name, "missing", f"{came}; {needed.specifier or 'any version'} is needed", remedy)


def optional_check(package: str, *, needed_by: str = "") -> Check:
    """Check a package that some recipes alone need.

    :param package: Its name, which is that of the extra, too.
    :param needed_by: Key of the recipe that needs it; empty where none does.
    """
    found = installed_version(package)
    if found is not None:
        return Check(package, "ok", found)
    remedy = f"pip install 'hardneg[{package}]'"
    if needed_by:
        return Check(package, "missing", f"not installed, and {needed_by} needs it", remedy)
    return Check(package, "warning", "not installed (optional)", remedy)


def faiss_check(*, needed_by: str = "") -> Check:
    """Check FAISS: which build, and whether it sees a GPU.

    :param needed_by: Key of the recipe that needs it; empty where none does.
    """
    remedy = "pip install 'hardneg[cpu]' or 'hardneg[gpu]'"
    try:
        import faiss
    except ImportError as error:
        why = f", and {needed_by} needs it" if needed_by else "; the exact search goes without it (optional)"
        return Check("FAISS", "missing" if needed_by else "warning", f"cannot be imported ({error}){why}", remedy)
    if not hasattr(faiss, "StandardGpuResources"):
        return Check("FAISS", "ok", f"{faiss.__version__}, for processors alone")
    return Check("FAISS", "ok", f"{faiss.__version__}, for GPUs; it sees {faiss.get_num_gpus()}")


def cuda_check() -> Check:
    """Check torch's import, and the GPUs that it sees with their memory."""
    try:
        import torch

        if not torch.cuda.is_available():
            return Check("CUDA", "ok", f"no GPU; torch {torch.__version__} computes on the processor")
        found = [_device(torch, number) for number in range(torch.cuda.device_count())]
    except (ImportError, OSError, RuntimeError) as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Check("torch", "missing", f"cannot be used: {words[:200]}", "pip install --force-reinstall torch")
    return Check("CUDA", "ok", f"CUDA {torch.version.cuda}: {'; '.join(found)}")


def _device(torch: Any, number: int) -> str:
    free, total = torch.cuda.mem_get_info(number)
    return f"{torch.cuda.get_device_name(number)}, {size(free)} free of {size(total)}"


def processor_check() -> Check:
    """Check what the processor has, and which matrix products torch and numpy have for it."""
    detail = platform.machine()
    try:
        from llvmlite import binding

        from hardneg_plugin.search.dense.gemm import PRODUCTS
        from hardneg_plugin.search.dense.gemm_autotune import has_product
        from hardneg_plugin.search.threads import processors

        present = [name for name, there in binding.get_host_cpu_features().items() if there]
        features = sorted(name for name in present if any(part in name for part in _FEATURES))
        detail = (
            f"{processors()} cores, {binding.get_host_cpu_name()}: {', '.join(features) or 'no vector features known'}"
        )
        products = ", ".join(product.name for product in PRODUCTS if has_product(product))
    except (ImportError, ValueError, RuntimeError, OSError) as error:
        return Check(
            "processor", "warning", f"{detail}; products cannot be told: {str(error)[:200]}", "see the packages"
        )
    return Check("processor", "ok", f"{detail}; products to choose from: {products}")


def cache_check() -> Check:
    """Check that the cache folder can be written, with its size and the free disk."""
    root = cache.cache_root()
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    remedy = f"set {cache.CACHE_VARIABLE} to another folder"
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Check("cache", "missing", f"{root} cannot be written", remedy)
    used = sum(entry.size for entry in chain(cache.entries(), cache.answers()))
    free = free_disk(root)
    detail = f"{root}: {size(used)} in it, {size(free)} free"
    if free < _LITTLE_DISK:
        return Check("cache", "warning", f"{detail}, which is little", f"`hardneg cache clear`, or {remedy}")
    return Check("cache", "ok", detail)


def hub_check() -> Check:
    """Check whether datasets and models can be fetched."""
    try:
        import httpx
        from huggingface_hub import constants
    except ImportError as error:
        return Check("hub", "missing", f"its library cannot be imported: {error}", "pip install huggingface-hub")
    if constants.HF_HUB_OFFLINE:
        remedy = "unset HF_HUB_OFFLINE to fetch datasets and models"
        return Check("hub", "ok", "offline: nothing is fetched, what is here is used", remedy)
    try:
        httpx.head(constants.ENDPOINT, timeout=_HUB_SECONDS)
    except httpx.HTTPError as error:
        detail = f"{constants.ENDPOINT} does not answer: {error or type(error).__name__}"
        return Check("hub", "warning", detail, "check the network, or set HF_HUB_OFFLINE=1 and use what is here")
    return Check("hub", "ok", f"online: {constants.ENDPOINT} answers")
