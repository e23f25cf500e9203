"""Train a retrieval model on anchors, positives and hard negatives."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardneg_plugin.errors import TrainingError
from hardneg_plugin.search.models import PoolingMode
from hardneg_plugin.training.arguments import precision_of
from hardneg_plugin.training.assembly import assemble_trainer
from hardneg_plugin.training.encoders import TIED, Encoders
from hardneg_plugin.training.folder import TrainingFolder
from hardneg_plugin.training.languages import MIXED, BatchLanguages
from hardneg_plugin.training.model_card import write_model_card
from hardneg_plugin.training.progress import Progress, ProgressChoice, progress_reporter
from hardneg_plugin.training.quiet import quiet_libraries
from hardneg_plugin.training.refresh import Refresh
from hardneg_plugin.training.result import TrainingResult, loss_history, mean_loss
from hardneg_plugin.training.settings import LearningRate, TrainingPlan, TrainingSettings, plan_training
from hardneg_plugin.training.static_model import STATIC_DIMS, VOCABULARY

if TYPE_CHECKING:
    import datasets

    from hardneg_plugin.training.trainer import RetrievalTrainer


def train(
    dataset: datasets.Dataset,
    *,
    base_model: str,
    output_dir: str | Path,
    loss: str = "multiple_negatives_ranking",
    loss_args: Mapping[str, Any] | None = None,
    epochs: float = 1,
    max_steps: int | None = None,
    batch_size: int = 32,
    learning_rate: LearningRate = "auto",
    warmup: float = 0.1,
    max_length: int | None = None,
    pooling: PoolingMode | None = None,
    seed: int = 42,
    corpus_texts: Iterable[str] | None = None,
    static_dims: int = STATIC_DIMS,
    vocabulary: int | str = VOCABULARY,
    save_steps: int = 500,
    resume: bool = True,
    arguments: Mapping[str, Any] | None = None,
    progress: ProgressChoice = "auto",
    encoders: Encoders = TIED,
    lora: Mapping[str, Any] | None = None,
    prompts: Mapping[str, str] | None = None,
    language_exponent: float | None = None,
    batch_languages: BatchLanguages = MIXED,
    refresh: Refresh | None = None,
    curriculum: Mapping[str, Any] | None = None,
    batch_clusters: int | None = None,
) -> TrainingResult:
    """Train a retrieval model; go on where an interrupted training stopped; return at once where it is finished.

    Batches hold no text that is a false negative of another row by being its query or passage, every row is used once
    per epoch, and the number of steps is known before. The same table, settings and seed give the same weights on a
    CPU.

    Under ``torchrun`` or ``accelerate launch`` all processes call it with the same arguments and train one model: each
    has batches of ``batch_size`` rows, so that N processes take N times as many rows a step and an N-th of the steps,
    and a ranking loss takes the documents of all processes as negatives for each query (``gather_across_devices``; no
    text is a false negative in them either). Only the first process writes. Where a batch cannot be divided evenly, the
    fewer than N rows that are over are left out of that epoch.

    :param dataset: Columns ``anchor``, ``positive`` and, where there are hard negatives, ``negative``, ``negative_1
        ... negative_n`` (``None`` where a row has fewer) or ``negatives`` (lists). Other columns are left alone.
    :param base_model: Folder or hub id of a sentence-transformers model or a plain transformer, or ``static``.
    :param output_dir: Folder for ``model/``, ``training.json`` and, while it trains, ``checkpoints/``.
    :param loss: ``multiple_negatives_ranking`` (InfoNCE with in-batch negatives),
        ``cached_multiple_negatives_ranking`` (the same for large batches, ``mini_batch_size`` rows at a time in
        memory), ``gist`` and ``cached_gist`` (a guide model says which documents of the batch are no negatives;
        Solatorio 2024), ``margin_mse`` (a teacher's margins; Hofstätter et al. 2020; needs a column ``scores`` with the
        scores of the positive and each negative, or ``score`` with positive less negative) or ``triplet``.
    :param loss_args: Parameters of the loss, such as ``{"scale": 20.0}``, ``{"guide": "a/model", "margin": 0.05}``,
        ``{"mini_batch_size": 16}`` or ``{"hardness_mode": "hard_negatives", "hardness_strength": 5.0}`` (Lan et al.
        2025; the same number of negatives in every row). The trained model declares the similarity of its loss:
        ``margin_mse`` compares by dot product unless ``similarity_fct`` says ``cos_sim``.
    :param epochs: Passes over the table.
    :param max_steps: Optimizer steps to take instead of ``epochs``: the budget to share between systems that are
        compared.
    :param batch_size: Rows in a batch.
    :param learning_rate: Highest learning rate, or ``auto``; see
        :func:`~hardneg_plugin.training.base_model.auto_learning_rate`.
    :param warmup: Share of the steps during which the learning rate rises.
    :param max_length: Tokens after which a text is cut; ``None`` keeps the model's own limit.
    :param pooling: ``mean`` (what ``None`` means) or ``cls`` for a plain transformer; a saved model keeps its own.
    :param seed: Seed of batches, dropout and new weights.
    :param corpus_texts: For ``static``: texts that its word pieces are learnt from; a list or dataset column, no
        generator.
    :param static_dims: For ``static``: dimensions of the embeddings.
    :param vocabulary: For ``static``: number of word pieces, or the folder or hub id of a tokenizer.
    :param save_steps: Steps between two checkpoints; 0 for none.
    :param resume: Whether to use what ``output_dir`` holds; ``False`` removes an earlier training there.
    :param arguments: Further ``SentenceTransformerTrainingArguments``, such as ``gradient_accumulation_steps``,
        ``bf16``, ``weight_decay`` or ``warmup_steps`` (instead of ``warmup``).
    :param progress: ``auto``: a bar in a terminal, else a line per tenth; ``none``; or a function of (steps done,
        steps in all).
    :param encoders: ``tied``: one encoder for queries and passages; ``separate``: two, which start from the same
        weights and are saved in one model (``encode_query`` and ``encode_document`` choose).
    :param lora: Arguments of PEFT's ``LoraConfig``, such as ``{"r": 16}``, to train low-rank adapters (Hu et al. 2021)
        instead of a transformer's own weights; ``{}`` takes PEFT's defaults. They are merged into the saved model.
    :param prompts: Texts to put before every ``query`` and every ``passage``, saved with the model; what is not given
        is the base model's own.
    :param language_exponent: Draw the rows of a language with n of them in proportion to ``n ** language_exponent``,
        as many per epoch as the table has; needs a column ``language``. ``None`` takes every row once.
    :param batch_languages: ``mixed``, or ``same``: every batch holds one language; needs a column ``language``.
    :param refresh: Mine the negatives again with the current weights, every so many steps or epochs (ANCE, Xiong et al.
        2021); the number of steps stays as it is. Only with a loss that takes any number of negatives.
    :param curriculum: ``{"stages": 4, "num_negatives": 3}``: train on that many of a row's negatives, which are listed
        hardest first, from its last ones in the first stage to its first ones in the last stage.
    :param batch_clusters: Put queries of the same cluster into a batch (TAS-B, Hofstätter et al. 2021): k-means over
        the queries' vectors by the base model, with this number of clusters. Needs FAISS.
    :raises ParameterError: If a parameter cannot work.
    :raises RecordError: If the table has the wrong columns, a blank text, or not the scores that the loss needs.
    :raises TrainingError: If warm-up, loss or model and table do not fit together, ``output_dir`` holds another
        training, ``lora`` is given without PEFT, or the loss is no longer a number.
    """
    given = locals()
    settings = TrainingSettings(
        **{setting.name: given[setting.name] for setting in fields(TrainingSettings)}
        | {"loss_args": loss_args or {}, "arguments": arguments or {}}
    )
    return _train(dataset, settings, TrainingFolder(Path(output_dir)), progress_reporter(progress), resume=resume)


def _train(
    dataset: datasets.Dataset, settings: TrainingSettings, folder: TrainingFolder, report: Progress, *, resume: bool
) -> TrainingResult:
    plan = plan_training(dataset, settings)
    if finished := folder.open(plan.record, resume=resume):
        return finished
    with quiet_libraries():
        trainer = assemble_trainer(dataset, settings, plan, folder, report)
        return _run(trainer, settings, plan, folder)


def _run(
    trainer: RetrievalTrainer, settings: TrainingSettings, plan: TrainingPlan, folder: TrainingFolder
) -> TrainingResult:
    first = trainer.is_world_process_zero()
    checkpoint = folder.last_checkpoint()
    # All have looked before anything changes.
    trainer.accelerator.wait_for_everyone()
    if first:
        folder.begin(plan.record)
    if trainer.stages is not None:
        trainer.stages.begin(trainer.model, int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds = time.monotonic() - started
    history = loss_history(trainer.state.log_history)
    loss = mean_loss(history)
    if not math.isfinite(loss):
        bad = next(point.step for point in history if not math.isfinite(point.loss))
        rate = trainer.args.learning_rate
        msg = f"the loss is no number any more at step {bad} of {plan.steps}; lower learning_rate ({rate:g})"
        raise TrainingError(msg)
    result = TrainingResult(
        model_path=folder.model,
        base_model=settings.base_model,
        steps=trainer.state.global_step,
        examples=len(plan.keys),
        negatives=len(plan.keys.negatives),
        epochs=round(_epochs(trainer, plan), 4),
        seconds=round(seconds, 3),
        train_loss=loss,
        loss_history=history,
        learning_rate=trainer.args.learning_rate,
        warmup_steps=plan.warmup_steps,
        precision=precision_of(trainer.args),
        device=str(trainer.args.device),
        refreshes=trainer.stages.facts() if trainer.stages else (),
    )
    if first:
        staged = folder.staged_model()
        model = trainer.finished_model()
        model.save_pretrained(str(staged), create_model_card=False)
        write_model_card(staged, result, plan.record, similarity=str(model.similarity_fn_name))
        folder.finish(plan.record, result)
    # Whoever returns finds the model in its place.
    trainer.accelerator.wait_for_everyone()
    return result


def _epochs(trainer: RetrievalTrainer, plan: TrainingPlan) -> float:
    """Return the passes over the table: the trainer takes a stage for an epoch."""
    epochs = float(trainer.state.epoch)
    return epochs * plan.stages.batches / plan.stages.epoch_batches if plan.stages else epochs
