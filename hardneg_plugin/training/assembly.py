"""Putting a training together: model, loss, batches and arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hardneg_plugin.training.arguments import build_arguments
from hardneg_plugin.training.base_model import auto_learning_rate, load_base_model
from hardneg_plugin.training.batches import NoDuplicatesBatchSampler
from hardneg_plugin.training.collator import TextCollator
from hardneg_plugin.training.columns import ANCHOR, ROW
from hardneg_plugin.training.encoders import has_separate_encoders
from hardneg_plugin.training.folder import TrainingFolder
from hardneg_plugin.training.languages import LanguageBatches
from hardneg_plugin.training.lora import LoraAdapters
from hardneg_plugin.training.losses import build_loss, trained_similarity
from hardneg_plugin.training.phase_batches import StageBatches
from hardneg_plugin.training.phases import RefreshSchedule, StageNegatives
from hardneg_plugin.training.progress import Progress
from hardneg_plugin.training.prompts import prompts_of
from hardneg_plugin.training.settings import TrainingPlan, TrainingSettings
from hardneg_plugin.training.tokenization_cache import preprocess_of

if TYPE_CHECKING:
    import datasets
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments

    from hardneg_plugin.training.trainer import RetrievalTrainer


def assemble_trainer(
    dataset: datasets.Dataset, settings: TrainingSettings, plan: TrainingPlan, folder: TrainingFolder, report: Progress
) -> RetrievalTrainer:
    """Load the base model and make its trainer; nothing is trained or written yet.

    :param dataset: The training table.
    :param settings: What was asked for.
    :param plan: What it means for this table.
    :param folder: Where checkpoints go.
    :param report: Called with (steps done, steps in all).
    :raises ParameterError: If a value cannot work with this model.
    :raises TrainingError: If the model cannot be loaded or trained as asked.
    """
    from transformers import set_seed

    from hardneg_plugin.training.table_gradient import sum_gradients_by_row
    from hardneg_plugin.training.trainer import RetrievalTrainer

    set_seed(settings.seed)
    model = _base_model(settings)
    if plan.processes == 1:
        # Several processes exchange their gradients as a whole.
        sum_gradients_by_row(model)
    loss = build_loss(settings.loss, settings.loss_args, model, gather=plan.processes > 1)
    # A model has to be searched with the similarity that it was trained with.
    model.similarity_fn_name = trained_similarity(settings.loss, settings.loss_args)
    batches = _batches(settings, plan)
    negatives = StageNegatives(plan.columns)
    collator = TextCollator(
        preprocess_of(model),
        negatives if plan.stages else plan.columns,
        joined=plan.joined,
        prompts=prompts_of(model),
        routed=has_separate_encoders(model),
        scores=plan.scores,
    )
    return RetrievalTrainer(
        model=model,
        args=_arguments(settings, plan, folder, model),
        train_dataset=_rows(dataset, plan),
        loss=loss,
        data_collator=collator,
        batches=batches,
        processes=plan.processes,
        progress=report,
        adapters=None if settings.lora is None else LoraAdapters(model, settings.lora),
        stages=_stages(dataset, settings, plan, folder, batches, negatives),
    )


def _rows(dataset: datasets.Dataset, plan: TrainingPlan) -> datasets.Dataset:
    table = dataset.select_columns(plan.column_names).with_format(None)
    return table.add_column(ROW, np.arange(len(table))) if plan.stages and plan.stages.refresh else table


def _stages(
    dataset: datasets.Dataset,
    settings: TrainingSettings,
    plan: TrainingPlan,
    folder: TrainingFolder,
    batches: NoDuplicatesBatchSampler,
    negatives: StageNegatives,
) -> RefreshSchedule | None:
    if plan.stages is None or not isinstance(batches, StageBatches):
        return None
    anchors = dataset.with_format(None)[ANCHOR][:] if plan.stages.clusters else []
    return RefreshSchedule(plan.stages, plan.keys, anchors, batches, negatives, folder.stages, settings.seed)


def _batches(settings: TrainingSettings, plan: TrainingPlan) -> NoDuplicatesBatchSampler:
    """Return the batches of all processes together: no text is a false negative in the documents they gather."""
    if plan.stages is not None:
        return StageBatches(plan.keys, settings.batch_size, settings.seed, plan.stages)
    rows = settings.batch_size * plan.processes
    if plan.languages is None:
        return NoDuplicatesBatchSampler(plan.keys, rows, settings.seed)
    return LanguageBatches(plan.keys, plan.languages, rows, settings.seed)


def _base_model(settings: TrainingSettings) -> SentenceTransformer:
    return load_base_model(
        settings.base_model,
        pooling=settings.pooling,
        max_length=settings.max_length,
        seed=settings.seed,
        corpus_texts=settings.corpus_texts,
        static_dims=settings.static_dims,
        vocabulary=settings.vocabulary,
        encoders=settings.encoders,
        prompts=settings.prompts,
    )


def _arguments(
    settings: TrainingSettings, plan: TrainingPlan, folder: TrainingFolder, model: SentenceTransformer
) -> SentenceTransformerTrainingArguments:
    rate = settings.learning_rate
    if rate == "auto":
        rate = auto_learning_rate(settings.base_model, model, lora=settings.lora is not None)
    return build_arguments(
        checkpoints=folder.checkpoints,
        steps=plan.steps,
        warmup_steps=plan.warmup_steps,
        batch_size=settings.batch_size,
        learning_rate=rate,
        save_steps=settings.save_steps,
        seed=settings.seed,
        arguments=settings.arguments,
    )
