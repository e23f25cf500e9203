"""Training a retrieval model on triplets, as the end of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Predicate
from haystack import component
from haystack.document_stores.types import DocumentStore

from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.components.corpus_parameter import check_corpus, open_corpus
from hardneg_plugin.components.refresh_miner import build_refresh, check_refresh
from hardneg_plugin.components.released_stores import ReadsCorpus
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records import MiningExample
from hardneg_plugin.training import TrainingResult, planned_steps, train
from hardneg_plugin.training.base_model import STATIC
from hardneg_plugin.training.languages import MIXED, check_languages
from hardneg_plugin.training.losses import LOSSES
from hardneg_plugin.training.refresh import check_stages
from hardneg_plugin.training.settings import TRAINING_VERSION, TrainingSettings
from hardneg_plugin.training.static_model import STATIC_DIMS, VOCABULARY
from hardneg_plugin.validation import Words

if TYPE_CHECKING:
    from hardneg_plugin.records import Corpus


class CorpusTexts:
    """The texts of a corpus, read anew from the memory map whenever they are iterated."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    @property
    def key(self) -> str:
        """Key of the texts in the cache."""
        return self._corpus.key

    def __iter__(self) -> Iterator[str]:
        return self._corpus.iter_texts()

    def __len__(self) -> int:
        return len(self._corpus)


LossName = Annotated[str, Predicate(LOSSES.__contains__), Words(f"one of {', '.join(LOSSES)}")]


def _check_corpus_of(base_model: str, corpus: str | DocumentStore | None) -> None:
    if corpus is not None:
        check_corpus("SentenceTransformersTrainer", corpus)
    elif base_model == STATIC:
        msg = "SentenceTransformersTrainer: base_model static learns its word pieces from a corpus; give corpus"
        raise ParameterError(msg)


@component
class SentenceTransformersTrainer(ReadsCorpus, CheckedParameters):
    """Trains a sentence-transformers model, by default with ``MultipleNegativesRankingLoss``.

    The loss is the softmax over in-batch and hard negatives of Henderson et al. (2017), InfoNCE of van den Oord et al.
    (2018).

    A finished training in ``output_dir`` with the same settings is returned at once; an interrupted one goes on.

    ### Usage example

    ```python
    from hardneg_plugin import SentenceTransformersTrainer

    trainer = SentenceTransformersTrainer(
        output_dir="models/bm25", base_model="google-bert/bert-base-multilingual-cased", epochs=3, batch_size=32
    )
    trainer.run(triplets=triplets)["model"]  # 'models/bm25/model'
    ```

    :param output_dir: Folder for ``model/``, ``training.json`` and, while it trains, ``checkpoints/``.
    :param base_model: Hub id or folder of a sentence-transformers model or a plain transformer, or ``static``: a static
        embedding trained from scratch, which needs ``corpus``.
    :param loss: ``multiple_negatives_ranking``, ``cached_multiple_negatives_ranking``, ``gist``, ``cached_gist``,
        ``margin_mse`` (needs a column of a teacher's ``scores``) or ``triplet``.
    :param loss_args: Parameters of the loss, such as ``{"scale": 20.0}`` or ``{"guide": "a/model"}``.
    :param epochs: Passes over the triplets.
    :param max_steps: Optimizer steps instead of epochs.
    :param batch_size: Rows in a batch.
    :param learning_rate: Highest learning rate, or ``auto``: by the kind of model.
    :param warmup: Share of the steps during which the learning rate rises.
    :param max_length: Tokens after which a text is cut; None keeps the model's own limit.
    :param pooling: ``mean`` or ``cls`` for a plain transformer; None is the model's own, else mean.
    :param seed: Seed of batches, dropout and new weights.
    :param static_dims: Dimensions of ``static``.
    :param vocabulary: Largest number of word pieces of ``static``, or the folder or hub id of a tokenizer to take them
        from: one that knows languages which ``corpus`` does not hold.
    :param save_steps: Steps between two checkpoints; 0 for none.
    :param arguments: Further ``SentenceTransformerTrainingArguments``.
    :param corpus: Dataset spec or document store whose texts the word pieces of ``static`` are learnt from.
    :param progress: ``auto`` shows progress, ``none`` does not.
    :param encoders: ``tied``: one encoder for queries and passages; ``separate``: one for each, in one model.
    :param lora: Arguments of PEFT's ``LoraConfig``, such as ``{"r": 16}``, to train adapters that are merged into the
        saved model; ``{}`` takes PEFT's defaults, None trains all weights.
    :param prompts: Texts before every ``query`` and every ``passage``, saved with the model; None keeps its own.
    :param language_exponent: Draw the rows of a language with n of them in proportion to ``n ** language_exponent``,
        from 0 (all languages alike) to 1 (as they are), as many per epoch as the triplets have; they need a column
        ``language``. None takes every row once.
    :param batch_languages: ``mixed``, or ``same``: every batch holds one language, which may make a few batches more;
        needs a column ``language``.
    :param refresh: Mine the negatives again from ``corpus`` with the current weights (ANCE, Xiong et al. 2021):
        ``every_steps`` or ``every_epochs``; ``mode``: ``full`` encodes queries and passages, ``query_side`` keeps the
        passage vectors of the start (ADORE, Zhan et al. 2021); ``top_k`` (50), ``num_negatives`` (4),
        ``relative_margin`` (none), ``rank_from`` (1), ``near_duplicate`` (0.9). None keeps those of the triplets.
    :param curriculum: ``stages`` and ``num_negatives``: from a row's last negatives to its first; None takes all.
    :param batch_clusters: Clusters of like queries that batches are made of (TAS-B); None makes them of any.
    :raises ParameterError: If a length is not above 0, a choice is unknown, ``static`` has no corpus, or
        ``language_exponent`` is not from 0 to 1.
    """

    version: ClassVar[int] = TRAINING_VERSION

    def __init__(
        self,
        output_dir: str,
        base_model: str,
        loss: LossName = "multiple_negatives_ranking",
        loss_args: dict[str, Any] | None = None,
        epochs: float = 1,
        max_steps: int | None = None,
        batch_size: int = 32,
        learning_rate: float | Literal["auto"] = "auto",
        warmup: float = 0.1,
        max_length: int | None = None,
        pooling: Literal["mean", "cls"] | None = None,
        seed: int = 42,
        static_dims: int = STATIC_DIMS,
        vocabulary: int | str = VOCABULARY,
        save_steps: int = 500,
        arguments: dict[str, Any] | None = None,
        corpus: str | DocumentStore | None = None,
        progress: Literal["auto", "none"] = "auto",
        encoders: Literal["tied", "separate"] = "tied",
        lora: dict[str, Any] | None = None,
        prompts: dict[str, str] | None = None,
        language_exponent: float | None = None,
        batch_languages: Literal["mixed", "same"] = "mixed",
        refresh: dict[str, Any] | None = None,
        curriculum: dict[str, Any] | None = None,
        batch_clusters: int | None = None,
    ) -> None:
        _check_corpus_of(base_model, corpus)
        check_languages(language_exponent, batch_languages)
        check_refresh(refresh, corpus)
        check_stages(None, curriculum, batch_clusters, loss, loss_args or {})
        planned_steps(1, batch_size, epochs, max_steps=max_steps)
        self.output_dir, self.base_model = output_dir, base_model
        self.loss, self.loss_args = loss, loss_args
        self.epochs, self.max_steps = epochs, max_steps
        self.batch_size, self.seed = batch_size, seed
        self.learning_rate, self.warmup = learning_rate, warmup
        self.max_length, self.pooling = max_length, pooling
        self.static_dims, self.vocabulary = static_dims, vocabulary
        self.save_steps, self.arguments = save_steps, arguments
        self.corpus, self.progress = corpus, progress
        self.encoders, self.lora, self.prompts = encoders, lora, prompts
        self.language_exponent, self.batch_languages = language_exponent, batch_languages
        self.refresh, self.curriculum, self.batch_clusters = refresh, curriculum, batch_clusters

    def warm_up(self) -> None:
        """Check the settings: a pipeline does so before it mines what is trained on.

        :raises ParameterError: If a value cannot work.
        :raises TrainingError: If ``lora`` is given and PEFT is not installed, or a guide's folder is not there.
        """
        TrainingSettings(**self._settings()).check()

    @component.output_types(model=str, training=dict[str, Any])
    def run(self, triplets: Any, examples: list[MiningExample] | None = None) -> dict[str, Any]:
        """Train.

        :param triplets: ``datasets.Dataset`` with ``anchor``, ``positive`` and, where there are any, negatives.
        :param examples: Examples of the triplets' queries, whose positives and judgements ``refresh`` knows.
        :returns: ``model``: folder of the model; ``training``: steps, rows, seconds, loss.
        :raises TrainingError: If the schedule, the model and the triplets do not fit together.
        """
        result = self.train(triplets, examples)
        return {"model": str(result.model_path), "training": result.to_dict()}

    def train(self, triplets: Any, examples: list[MiningExample] | None = None) -> TrainingResult:
        """Train and return the whole result; see :meth:`run`."""
        settings = self._settings()
        if self.refresh is not None:
            assert self.corpus is not None
            settings["refresh"] = build_refresh(self.refresh, open_corpus(self.corpus), triplets, examples or ())
        return train(triplets, output_dir=self.output_dir, progress=self.progress, **settings)

    def untrained(self) -> Any:
        """Return the model that training starts from, as a ``SentenceTransformer``."""
        from hardneg_plugin.training import load_base_model

        return load_base_model(
            self.base_model,
            pooling=self.pooling,
            max_length=self.max_length,
            seed=self.seed,
            corpus_texts=self._corpus_texts(),
            static_dims=self.static_dims,
            vocabulary=self.vocabulary,
            encoders=self.encoders,
            prompts=self.prompts,
        )

    def _settings(self) -> dict[str, Any]:
        return {
            "base_model": self.base_model,
            "loss": self.loss,
            "loss_args": self.loss_args or {},
            "epochs": self.epochs,
            "max_steps": self.max_steps,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "warmup": self.warmup,
            "max_length": self.max_length,
            "pooling": self.pooling,
            "seed": self.seed,
            "corpus_texts": self._corpus_texts(),
            "static_dims": self.static_dims,
            "vocabulary": self.vocabulary,
            "save_steps": self.save_steps,
            "arguments": self.arguments or {},
            "encoders": self.encoders,
            "lora": self.lora,
            "prompts": self.prompts,
            **self._languages(),
            "curriculum": self.curriculum,
            "batch_clusters": self.batch_clusters,
        }

    def _languages(self) -> dict[str, Any]:
        """Return the settings of languages that were chosen."""
        chosen = {"language_exponent": self.language_exponent} if self.language_exponent is not None else {}
        return chosen if self.batch_languages == MIXED else {**chosen, "batch_languages": self.batch_languages}

    def _corpus_texts(self) -> CorpusTexts | None:
        if self.base_model != STATIC or self.corpus is None:
            return None
        return CorpusTexts(open_corpus(self.corpus))
