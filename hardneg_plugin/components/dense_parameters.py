"""Parameters of the dense miner: devices, and models in memory."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Len

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.validation import Name, Words

Devices = Annotated[Name | Annotated[list[Name], Len(1)], Words("a name such as 'cuda:0', or a list of names")]
"""One device, or several that share the work."""


def check_model(component: str, model: object) -> None:
    """Check a model in memory.

    :raises ParameterError: If it is not a ``SentenceTransformer``.
    """
    from sentence_transformers import SentenceTransformer

    if not isinstance(model, SentenceTransformer):
        msg = f"{component}: model must be a SentenceTransformer, got {type(model).__name__}"
        raise ParameterError(msg)
