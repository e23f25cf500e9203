"""The trainer of sentence-transformers with our batches, our collator and our checkpoints.

This module imports torch and transformers at its top, because a class needs its base: import it inside functions only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformerTrainer
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hardneg_plugin.training.batches import DistinctBatches
from hardneg_plugin.training.progress import Progress


class RetrievalTrainer(SentenceTransformerTrainer):
    """A ``SentenceTransformerTrainer`` whose number of steps is known.

    Its checkpoints hold the weights as safetensors, ``trainer_state.json``, and the optimizer, the scheduler and the
    random states as transformers writes them: ``.pt`` files, which it reads back with ``weights_only``, so that no
    code in them runs. The pickled training arguments that transformers would add are left out.

    :param batches: The batches of an epoch.
    :param progress: Called with (steps done, steps in all).
    :param kwargs: What ``SentenceTransformerTrainer`` takes.
    """

    def __init__(self, *, batches: DistinctBatches, progress: Progress, **kwargs: Any) -> None:
        self._batches = batches
        super().__init__(**kwargs)
        # It would print every log line to standard output.
        self.remove_callback(PrinterCallback)
        self.add_callback(_StepCallback(progress))

    def get_batch_sampler(self, *_: Any, **__: Any) -> DistinctBatches:  # type: ignore[override]
        """Return our batches instead of those of ``args.batch_sampler``."""
        return self._batches

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Add none: the stock card quotes training texts and asks the hub; ours is written by ``model_card``."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(str(folder), create_model_card=False)


class _StepCallback(TrainerCallback):
    """Report progress; keep the log complete across a resume."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        last = state.global_step >= state.max_steps
        # The mean loss since the last log line is not part of a checkpoint: log whenever one is written.
        control.should_log = control.should_log or control.should_save or last
        # The finished model is written right after; a checkpoint of the same weights would only cost time.
        control.should_save = control.should_save and not last
        self._progress(state.global_step, state.max_steps)
        return control
