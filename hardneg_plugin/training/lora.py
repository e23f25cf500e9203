"""Training small matrices beside frozen weights: low-rank adaptation (LoRA, Hu et al. 2021) with PEFT."""

from __future__ import annotations

import dataclasses
import importlib
import json
import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardneg_plugin.errors import ParameterError, TrainingError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

_FILE = "adapters.safetensors"


def check_lora(lora: Mapping[str, Any]) -> None:
    """Check the arguments of a ``LoraConfig`` without a model.

    :param lora: Arguments by name, in plain values; none takes PEFT's defaults.
    :raises ParameterError: If one is unknown, or a value cannot work.
    :raises TrainingError: If PEFT is not installed.
    """
    peft = _peft()
    # Those that every kind of adapter has say what is adapted to what: the training knows.
    own = {field.name for field in dataclasses.fields(peft.PeftConfig)}
    known = [field.name for field in dataclasses.fields(peft.LoraConfig) if field.init and field.name not in own]
    for name in lora:
        if name not in known:
            near = get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it takes {', '.join(known)}"
            msg = f"lora: LoraConfig has no argument {name!r} that could be set here; {hint}"
            raise ParameterError(msg)
    try:
        json.dumps(dict(lora))
    except TypeError as error:
        msg = f"lora must hold plain values, which are recorded with the training: {error}"
        raise ParameterError(msg) from error
    _config(lora)


class LoraAdapters:
    """The adapters of a model; everything else in its transformers is frozen.

    :param model: The model; it is changed in place. Both transformers of separate encoders are adapted.
    :param lora: Arguments of ``LoraConfig``, such as ``{"r": 16, "lora_alpha": 32}``.
    :raises ParameterError: If the arguments do not fit this model, such as ``target_modules`` that it has not.
    :raises TrainingError: If the model has no transformer, or PEFT is not installed.
    """

    def __init__(self, model: SentenceTransformer, lora: Mapping[str, Any]) -> None:
        from sentence_transformers.base.modules import Transformer

        transformers = [module for module in model.modules() if isinstance(module, Transformer)]
        if not transformers:
            msg = "lora adapts the matrices of a transformer, and this base model has none; leave lora out"
            raise TrainingError(msg)
        self._model = model
        try:
            with warnings.catch_warnings():
                # PEFT asks transformers for an attribute by a name that is going out of use.
                warnings.simplefilter("ignore", FutureWarning)
                self._adapted = [_peft().get_peft_model(module.model, _config(lora)) for module in transformers]
        except (TypeError, ValueError) as error:
            msg = f"lora: {error}"
            raise ParameterError(msg) from error

    def save(self, folder: Path) -> None:
        """Write everything that is trained into a folder: a checkpoint without the frozen weights."""
        from safetensors.torch import save_file

        save_file({name: weights.detach().contiguous() for name, weights in self._trained().items()}, folder / _FILE)

    def load(self, folder: Path) -> None:
        """Read back what :meth:`save` wrote.

        :raises TrainingError: If the folder holds the adapters of another model.
        """
        import torch
        from safetensors.torch import load_file

        trained, saved = self._trained(), load_file(folder / _FILE)
        if trained.keys() != saved.keys():
            name = min(trained.keys() ^ saved.keys())
            msg = f"{folder / _FILE} holds other adapters than those trained here: {name} is in one of them only"
            raise TrainingError(msg)
        with torch.no_grad():
            for name, weights in trained.items():
                weights.copy_(saved[name])

    def merge(self) -> None:
        """Add the adapters to the weights beside which they were trained, so that the model needs no PEFT."""
        for adapted in self._adapted:
            plain = adapted.merge_and_unload()
            if hasattr(plain, "peft_config"):
                del plain.peft_config

    def _trained(self) -> dict[str, torch.nn.Parameter]:
        return {name: weights for name, weights in self._model.named_parameters() if weights.requires_grad}


def _config(lora: Mapping[str, Any]) -> Any:
    try:
        return _peft().LoraConfig(**lora)
    except (TypeError, ValueError) as error:
        msg = f"lora: {error}"
        raise ParameterError(msg) from error


def _peft() -> Any:
    try:
        return importlib.import_module("peft")
    except ModuleNotFoundError as error:
        if error.name != "peft":
            raise
        msg = "lora needs the package peft, which is not installed: pip install 'hardneg[peft]'"
        raise TrainingError(msg) from error
