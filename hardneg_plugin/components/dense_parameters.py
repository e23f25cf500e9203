"""Checks of what a dense miner is given to encode with."""

from __future__ import annotations

from hardneg_plugin.errors import ParameterError


def check_device(component: str, device: object) -> None:
    """Check the name of a device, or a list of such names.

    :raises ParameterError: If it is neither.
    """
    names = device if isinstance(device, list) else [device]
    if device is None or (names and all(isinstance(name, str) and name.strip() for name in names)):
        return
    msg = f"{component}: device must be a name such as 'cuda:0', or a list of names, got {device!r}"
    raise ParameterError(msg)


def check_model(component: str, model: object) -> None:
    """Check a model in memory.

    :raises ParameterError: If it is no ``SentenceTransformer``.
    """
    from sentence_transformers import SentenceTransformer

    if not isinstance(model, SentenceTransformer):
        msg = f"{component}: model must be a SentenceTransformer, got {type(model).__name__}"
        raise ParameterError(msg)
