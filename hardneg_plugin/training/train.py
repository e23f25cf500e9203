"""Train a retrieval model on anchors, positives and hard negatives."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardneg_plugin.errors import TrainingError
from hardneg_plugin.training.arguments import build_arguments, precision_of
from hardneg_plugin.training.base_model import PoolingMode, auto_learning_rate, load_base_model
from hardneg_plugin.training.batches import DistinctBatches
from hardneg_plugin.training.collator import TextCollator
from hardneg_plugin.training.folder import TrainingFolder
from hardneg_plugin.training.losses import build_loss
from hardneg_plugin.training.model_card import write_model_card
from hardneg_plugin.training.progress import Progress, ProgressChoice, progress_reporter
from hardneg_plugin.training.quiet import quiet_libraries
from hardneg_plugin.training.result import TrainingResult, loss_history, mean_loss
from hardneg_plugin.training.settings import LearningRate, TrainingPlan, TrainingSettings, plan_training
from hardneg_plugin.training.static_model import STATIC_DIMS, VOCABULARY

if TYPE_CHECKING:
    import datasets
    from sentence_transformers import SentenceTransformer

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
    vocabulary: int = VOCABULARY,
    save_steps: int = 500,
    resume: bool = True,
    arguments: Mapping[str, Any] | None = None,
    progress: ProgressChoice = "auto",
) -> TrainingResult:
    """Train a retrieval model; go on where an interrupted training stopped; return at once where it is finished.

    Batches hold no text that is a false negative of another row by being its query or passage, every row is used once
    per epoch, and the number of steps is known before. The same table, settings and seed give the same weights on a
    CPU.

    :param dataset: Columns ``anchor``, ``positive`` and, where there are hard negatives, ``negative``, ``negative_1
        ... negative_n`` (``None`` where a row has fewer) or ``negatives`` (lists). Other columns are left alone.
    :param base_model: Folder or hub id of a sentence-transformers model or a plain transformer, or ``static``.
    :param output_dir: Folder for ``model/``, ``training.json`` and, while it trains, ``checkpoints/``.
    :param loss: ``multiple_negatives_ranking`` (InfoNCE with in-batch negatives),
        ``cached_multiple_negatives_ranking`` (the same for large batches) or ``triplet``.
    :param loss_args: Parameters of the loss, such as ``{"scale": 20.0}``.
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
    :param vocabulary: For ``static``: number of word pieces.
    :param save_steps: Steps between two checkpoints; 0 for none.
    :param resume: Whether to use what ``output_dir`` holds; ``False`` removes an earlier training there.
    :param arguments: Further ``SentenceTransformerTrainingArguments``, such as ``gradient_accumulation_steps``,
        ``bf16``, ``weight_decay``, ``prompts`` or ``warmup_steps`` (instead of ``warmup``).
    :param progress: ``auto``: a bar in a terminal, else a line per tenth; ``none``; or a function of (steps done,
        steps in all).
    :raises ParameterError: If a parameter cannot work.
    :raises RecordError: If the table has the wrong columns or a blank text.
    :raises TrainingError: If warm-up, loss or model and table do not fit together, ``output_dir`` holds another
        training, or the loss is no longer a number.
    """
    settings = TrainingSettings(
        base_model=base_model,
        loss=loss,
        loss_args=loss_args or {},
        epochs=epochs,
        max_steps=max_steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        warmup=warmup,
        max_length=max_length,
        pooling=pooling,
        seed=seed,
        corpus_texts=corpus_texts,
        static_dims=static_dims,
        vocabulary=vocabulary,
        save_steps=save_steps,
        arguments=arguments or {},
    )
    return _train(dataset, settings, TrainingFolder(Path(output_dir)), progress_reporter(progress), resume=resume)


def _train(
    dataset: datasets.Dataset, settings: TrainingSettings, folder: TrainingFolder, report: Progress, *, resume: bool
) -> TrainingResult:
    plan = plan_training(dataset, settings)
    if finished := folder.open(plan.record, resume=resume):
        return finished
    with quiet_libraries():
        trainer = _build_trainer(dataset, settings, plan, folder, report)
        return _run(trainer, settings, plan, folder)


def _build_trainer(
    dataset: datasets.Dataset, settings: TrainingSettings, plan: TrainingPlan, folder: TrainingFolder, report: Progress
) -> RetrievalTrainer:
    from transformers import set_seed

    from hardneg_plugin.training.trainer import RetrievalTrainer

    set_seed(settings.seed)
    model = load_base_model(
        settings.base_model,
        pooling=settings.pooling,
        max_length=settings.max_length,
        seed=settings.seed,
        corpus_texts=settings.corpus_texts,
        static_dims=settings.static_dims,
        vocabulary=settings.vocabulary,
    )
    prompts = settings.arguments.get("prompts")
    _remember_prompts(model, prompts)
    rate = settings.learning_rate
    arguments = build_arguments(
        checkpoints=folder.checkpoints,
        steps=plan.steps,
        warmup_steps=plan.warmup_steps,
        batch_size=settings.batch_size,
        learning_rate=auto_learning_rate(settings.base_model, model) if rate == "auto" else rate,
        save_steps=settings.save_steps,
        seed=settings.seed,
        arguments=settings.arguments,
    )
    return RetrievalTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset.select_columns(plan.columns.names).with_format(None),
        loss=build_loss(settings.loss, settings.loss_args, model),
        data_collator=TextCollator(model.preprocess, plan.columns, ragged=plan.ragged, prompts=prompts),
        batches=DistinctBatches(plan.keys, settings.batch_size, settings.seed),
        progress=report,
    )


def _remember_prompts(model: SentenceTransformer, prompts: str | Mapping[str, str] | None) -> None:
    """Let ``encode_query`` and ``encode_document`` of the trained model use the prompts it was trained with."""
    if isinstance(prompts, str):
        prompts = {"anchor": prompts, "positive": prompts}
    for role, name in (("anchor", "query"), ("positive", "document")):
        if prompts and role in prompts:
            model.prompts[name] = prompts[role]


def _run(
    trainer: RetrievalTrainer, settings: TrainingSettings, plan: TrainingPlan, folder: TrainingFolder
) -> TrainingResult:
    checkpoint = folder.last_checkpoint()
    folder.begin(plan.record)
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
        epochs=round(float(trainer.state.epoch), 4),
        seconds=round(seconds, 3),
        train_loss=loss,
        loss_history=history,
        learning_rate=trainer.args.learning_rate,
        warmup_steps=plan.warmup_steps,
        precision=precision_of(trainer.args),
        device=str(trainer.args.device),
    )
    staged = folder.staged_model()
    model = trainer.model
    model.save_pretrained(str(staged), create_model_card=False)
    write_model_card(staged, result, plan.record, similarity=str(model.similarity_fn_name))
    folder.finish(plan.record, result)
    return result
