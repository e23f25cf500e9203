"""The trainer of sentence-transformers with our batches, our collator and our checkpoints.

This module imports torch and transformers at its top, because a class needs its base: import it inside functions only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hardneg_plugin.checksums import seal_folder
from hardneg_plugin.training.batches import NoDuplicatesBatchSampler
from hardneg_plugin.training.distributed import ShardedBatchSampler
from hardneg_plugin.training.lora import LoraAdapters
from hardneg_plugin.training.phases import RefreshSchedule
from hardneg_plugin.training.progress import Progress, no_progress


class RetrievalTrainer(SentenceTransformerTrainer):
    """A ``SentenceTransformerTrainer`` whose number of steps is known.

    Its checkpoints hold the weights as safetensors, ``trainer_state.json``, and the optimizer, the scheduler and the
    random states as transformers writes them: ``.pt`` files, which it reads back with ``weights_only``, so that no
    code in them runs. The pickled training arguments that transformers would add are left out. With adapters, a
    checkpoint holds these instead of the frozen weights.

    :param batches: The batches of an epoch.
    :param progress: Called with (steps done, steps in all).
    :param adapters: Those of the model, if it is trained by low-rank adaptation.
    :param processes: Processes that train together; each gets its part of every batch.
    :param stages: What changes while it trains, if anything does.
    :param kwargs: What ``SentenceTransformerTrainer`` takes.
    """

    def __init__(
        self,
        *,
        batches: NoDuplicatesBatchSampler,
        progress: Progress,
        adapters: LoraAdapters | None = None,
        processes: int = 1,
        stages: RefreshSchedule | None = None,
        **kwargs: Any,
    ) -> None:
        self.stages = stages
        self._batches = batches if processes == 1 else ShardedBatchSampler(batches, processes)
        self._adapters = adapters
        super().__init__(**kwargs)
        # It would print every log line to standard output.
        self.remove_callback(PrinterCallback)
        self.add_callback(_StepCallback(progress if self.is_world_process_zero() else no_progress, self._batches))
        if stages is not None:
            self.add_callback(_StageCallback(stages))

    def finished_model(self) -> SentenceTransformer:
        """Return the trained model in the form in which it is used: with its adapters merged."""
        if self._adapters is not None:
            self._adapters.merge()
        model: SentenceTransformer = self.model
        return model

    def get_batch_sampler(self, *_: Any, **__: Any) -> NoDuplicatesBatchSampler | ShardedBatchSampler:  # type: ignore[override]
        """Return our batches instead of those of ``args.batch_sampler``."""
        return self._batches

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Add none: the stock card quotes training texts and asks the hub; ours is written by ``model_card``."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        if self._adapters is None:
            self.model.save_pretrained(str(folder), create_model_card=False)
        else:
            self._adapters.save(folder)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:  # type: ignore[override]  # as its base does
        if self._adapters is None:
            super()._load_from_checkpoint(checkpoint_path)
        else:
            self._adapters.load(Path(checkpoint_path))


class _StepCallback(TrainerCallback):
    """Report progress; keep the log complete across a resume."""

    def __init__(self, progress: Progress, batches: NoDuplicatesBatchSampler | ShardedBatchSampler) -> None:
        self._progress, self._batches = progress, batches

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        # When several processes resume, nobody else tells the batches which epoch it is: they are wrapped too deep.
        if isinstance(self._batches, ShardedBatchSampler):
            self._batches.set_epoch(int(state.epoch or 0))
        return control

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

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        if state.is_world_process_zero:
            # Other processes may still be writing theirs.
            folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
            seal_folder(folder, lambda path: not path.name.startswith("rng_state_"))
        return control


class _StageCallback(TrainerCallback):
    """Enter a stage before its first batch is drawn: the trainer's epochs are the stages."""

    def __init__(self, stages: RefreshSchedule) -> None:
        self._stages = stages

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **known: Any
    ) -> TrainerControl:
        self._stages.enter(state.global_step, known["model"])
        return control
