"""The guide of GIST losses: a model that excludes false negatives within a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardneg_plugin.errors import ParameterError, TrainingError
from hardneg_plugin.search.models import is_static_embedding, load_sentence_transformer, local_folder
from hardneg_plugin.training.base_model import STATIC

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_WHAT = "loss_args: guide"


def check_guide(guide: object) -> None:
    """Check the name of a guide.

    :raises ParameterError: If it is no text.
    :raises ModelError: If it is neither a folder nor a possible hub id.
    """
    if not isinstance(guide, str) or guide == STATIC:
        msg = f"{_WHAT} must be the folder or hub id of a trained sentence-transformers model, got {guide!r}"
        raise ParameterError(msg)
    local_folder(guide, _WHAT)


def load_guide(guide: str) -> SentenceTransformer:
    """Load a guide, frozen and without dropout. No code from its repository is run.

    :param guide: Folder or hub id of a sentence-transformers model.
    :raises ModelError: If the model does not exist or cannot be loaded.
    :raises TrainingError: If it has no transformer: the guide reads the token ids of the
        trained model or their decoded text, which the tokenizers of static models do not give.
    """
    model = load_sentence_transformer(guide, what=_WHAT)
    if is_static_embedding(model):
        msg = f"{_WHAT} {guide} is a static embedding model; a guide needs a transformer"
        raise TrainingError(msg)
    return model.eval().requires_grad_(False)
