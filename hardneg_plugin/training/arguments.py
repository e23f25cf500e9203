"""The training arguments of sentence-transformers: ours, and those a user passes through."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardneg_plugin.errors import ParameterError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformerTrainingArguments

_NO_EVALUATION = "training looks at no evaluation data; measure the finished model"
_OWN_BATCHES = "batches are packed by the trainer itself, so that the number of steps is known"
_OWN_FOLDER = "the finished model is a folder; push that one"

# What cannot be passed through, and what to use instead.
RESERVED: Mapping[str, str] = {
    "output_dir": "use the parameter output_dir",
    "learning_rate": "use the parameter learning_rate",
    "num_train_epochs": "use the parameter epochs",
    "max_steps": "use the parameter max_steps",
    "per_device_train_batch_size": "use the parameter batch_size",
    "warmup_ratio": "use the parameter warmup",
    "seed": "use the parameter seed",
    "data_seed": "use the parameter seed",
    "save_steps": "use the parameter save_steps",
    "save_strategy": "use the parameter save_steps",
    "disable_tqdm": "use the parameter progress",
    "resume_from_checkpoint": "use the parameter resume",
    "ignore_data_skip": "a resumed training sees the rows it has not seen",
    "save_only_model": "a training without its optimizer cannot be resumed",
    "batch_sampler": _OWN_BATCHES,
    "multi_dataset_batch_sampler": _OWN_BATCHES,
    "train_sampling_strategy": _OWN_BATCHES,
    "auto_find_batch_size": _OWN_BATCHES,
    "dataloader_drop_last": _OWN_BATCHES,
    "remove_unused_columns": "columns other than the texts are never tokenised",
    "prompts": "use the parameter prompts",
    "router_mapping": "use the parameter encoders",
    "label_names": "a loss that learns scores finds their column itself",
    "eval_strategy": _NO_EVALUATION,
    "eval_steps": _NO_EVALUATION,
    "eval_on_start": _NO_EVALUATION,
    "do_eval": _NO_EVALUATION,
    "load_best_model_at_end": _NO_EVALUATION,
    "metric_for_best_model": _NO_EVALUATION,
    "push_to_hub": _OWN_FOLDER,
    "hub_model_id": _OWN_FOLDER,
    "hub_strategy": _OWN_FOLDER,
    "hub_token": _OWN_FOLDER,
}
_LOGGED_POINTS = 50


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Check the names of the arguments that are passed through.

    :param arguments: Fields of ``SentenceTransformerTrainingArguments`` by name.
    :raises ParameterError: If a name is unknown (near matches are listed), or is set by a parameter of ``train``.
    """
    from sentence_transformers import SentenceTransformerTrainingArguments

    known = [field.name for field in dataclasses.fields(SentenceTransformerTrainingArguments)]
    for name in arguments:
        if name in RESERVED:
            msg = f"arguments: {name} cannot be passed through: {RESERVED[name]}"
            raise ParameterError(msg)
        if name not in known:
            near = get_close_matches(name, known, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else "; see SentenceTransformerTrainingArguments"
            msg = f"arguments: sentence-transformers has no training argument {name!r}{hint}"
            raise ParameterError(msg)


def build_arguments(
    *,
    checkpoints: Path,
    steps: int,
    warmup_steps: int,
    batch_size: int,
    learning_rate: float,
    save_steps: int,
    seed: int,
    arguments: Mapping[str, Any],
) -> SentenceTransformerTrainingArguments:
    """Build the training arguments.

    The precision is the hardware's unless ``arguments`` sets ``bf16`` or ``fp16``. Nothing is reported to any service.

    :param checkpoints: Folder of the checkpoints.
    :param steps: Optimizer steps in all.
    :param warmup_steps: Steps during which the learning rate rises.
    :param batch_size: Rows in a batch.
    :param learning_rate: Highest learning rate.
    :param save_steps: Steps between two checkpoints; 0 for none.
    :param seed: Seed of dropout and of the batches.
    :param arguments: Further arguments; they were checked with :func:`check_arguments`.
    :raises ParameterError: If a value cannot work.
    """
    from sentence_transformers import SentenceTransformerTrainingArguments

    fields: dict[str, Any] = {
        "output_dir": str(checkpoints),
        "max_steps": steps,
        "per_device_train_batch_size": batch_size,
        "learning_rate": learning_rate,
        "save_strategy": "steps" if save_steps else "no",
        "save_steps": save_steps or steps,
        "save_total_limit": 1,
        "seed": seed,
        "remove_unused_columns": False,
        "disable_tqdm": True,
        "report_to": "none",
        "logging_steps": max(1, steps // _LOGGED_POINTS),
        # A loss that is no number must be seen, not averaged away.
        "logging_nan_inf_filter": False,
        "dataloader_pin_memory": _has_cuda(),
    }
    if not {"bf16", "fp16"} & arguments.keys():
        fields |= _hardware_precision(bool(arguments.get("use_cpu")))
    try:
        built = SentenceTransformerTrainingArguments(**(fields | dict(arguments) | {"warmup_steps": warmup_steps}))
    except (TypeError, ValueError) as error:
        msg = f"arguments: {error}"
        raise ParameterError(msg) from error
    # With several GPUs in one process transformers multiplies the batch by their number; one GPU keeps the schedule.
    built._n_gpu = min(built.n_gpu, 1)
    return built


def precision_of(arguments: SentenceTransformerTrainingArguments) -> str:
    """Return the arithmetic of a training: ``bf16``, ``fp16`` or ``fp32``."""
    return "bf16" if arguments.bf16 else "fp16" if arguments.fp16 else "fp32"


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _hardware_precision(use_cpu: bool) -> dict[str, bool]:
    import torch

    if use_cpu or not torch.cuda.is_available():
        return {}
    # Ampere (8.x) is the first generation that computes in bf16; older ones only imitate it.
    return {"bf16": True} if torch.cuda.get_device_capability()[0] >= 8 else {"fp16": True}
