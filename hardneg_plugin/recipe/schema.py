"""The sections of a recipe. A section's fields are its schema; a stage's keys are its component's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Len

from hardneg_plugin.components.thinking import Thinking
from hardneg_plugin.datasets import with_options
from hardneg_plugin.datasets.examples import SHARD_SIZE
from hardneg_plugin.evaluation import METRICS
from hardneg_plugin.validation import Count, Grade, NotZeroShare, Words, as_yaml

# A stage's model may be one that the recipe trains: "system:in-batch".
SYSTEM_PREFIX = "system:"
# A training may go on from one of another run: "run:phase1_bm25/bm25".
RUN_PREFIX = "run:"

EngineName = Literal["local", "ray"]
LOCAL: EngineName = "local"

BM25_LINE, UNTRAINED_LINE = "BM25 retrieval", "untrained"
"""Lines of every table that no system of the recipe makes."""


@dataclass(frozen=True)
class DataSection:
    """The `data` section: queries, positives and corpus.

    :param dataset: Dataset spec, such as ``beir:data/msmarco`` or ``sample``; several are joined by `` + ``.
    :param corpus: File of further passages; null for none.
    :param train: Split whose queries are mined for and trained on.
    :param limit: Number of queries to draw from it; null takes all.
    :param limit_per_language: Most queries of each language, drawn first; null takes all.
    :param relevance: Lowest grade that makes a passage a positive.
    :param on_bad_row: ``error`` or ``skip``.
    :param language: ISO 639-1 code of rows that carry no language.
    :param shard_size: Examples that go through the stages at a time, at most 10,000.
    """

    dataset: str
    train: str = "train"
    limit: Count | None = None
    limit_per_language: Count | None = None
    relevance: Grade = 1
    on_bad_row: Literal["error", "skip"] = "error"
    language: str = ""
    shard_size: Annotated[int, Ge(1), Le(SHARD_SIZE)] = SHARD_SIZE
    corpus: str | None = None

    @property
    def spec(self) -> str:
        """The dataset spec with what the section says about rows."""
        options: dict[str, str] = {} if self.on_bad_row == "error" else {"on_bad_row": self.on_bad_row}
        options |= {} if self.corpus is None else {"corpus": self.corpus}
        return with_options(self.dataset, {**options, **({"default_language": self.language} if self.language else {})})


@dataclass(frozen=True)
class OtherDataset:
    """A dataset that is measured on, beside the one that is trained on.

    :param dataset: Dataset spec.
    :param splits: Splits of it.
    :param relevance: Lowest grade that counts as relevant.
    :param group: Group under which the tables put it, such as ``in-distribution`` or ``zero-shot``.
    """

    dataset: str
    splits: Annotated[tuple[str, ...], Len(1), Words("a list of at least one split")] = ("test",)
    relevance: Grade = 1
    group: str = ""


@dataclass(frozen=True)
class EvaluateSection:
    """The `evaluate` section: metrics, splits and baseline.

    :param splits: Splits of the dataset that is trained on.
    :param datasets: Name → other dataset: ``{dataset, splits, relevance, group}``.
    :param models: Name → folder or hub id of a sentence-transformers model that is measured as it is: a further line.
    :param prompts: Name of one of these models → texts before its ``query`` and ``passage``; null takes its own.
    :param metrics: Names as ir_measures spells them.
    :param relevance: Split → lowest grade that counts as relevant; 1 where a split is not named (null: in none).
    :param top_k: Passages retrieved per query.
    :param baseline: Line that the others are compared with (paired randomisation test, Holm-corrected): a system,
        a model, ``BM25 retrieval`` or ``untrained``; null takes the first trained system.
    """

    splits: tuple[str, ...] = ()
    datasets: Mapping[str, Any] | None = None
    models: Mapping[str, str] | None = None
    metrics: tuple[str, ...] = METRICS
    relevance: Mapping[str, Grade] | None = None
    top_k: Count = 100
    baseline: str | None = None
    prompts: Mapping[str, Mapping[Literal["query", "passage"], str]] | None = None


@dataclass(frozen=True)
class LLMSection:
    """The language model that stages ask.

    :param model: Name of the model, as its server knows it.
    :param api: ``ollama``, or ``openai``: any server that speaks OpenAI's API, such as vLLM.
    :param url: Address of the server; null takes ``OLLAMA_HOST`` or ``OPENAI_BASE_URL``, else the usual.
    :param num_ctx: Tokens of prompt and answer together that Ollama keeps room for.
    :param timeout: Seconds to wait for an answer, queueing included.
    :param max_tokens: Most tokens of an answer; null takes what each question needs.
    :param think: Whether the model thinks before it answers: true, false, ``low``, ``medium``, ``high`` or ``max``, or
        ``unset``, which leaves it to the server; null is false with Ollama and ``unset`` with others.
    :param logprobs: Whether probabilities of the labels are asked for; they are kept as scores.
    :param recorded: File of recorded answers; with it no server is asked.
    :param on_unknown: What a question is that the recording has no answer to: ``error`` or ``undecided``.
    :param generator: Any Haystack ChatGenerator, written ``{type, init_parameters}``, in place of all above.
    :param budget: What a run may spend: ``500 calls``, ``2M tokens`` or ``90 minutes``; null does not limit it.
    :param require_accuracy: Share of the judge check's pairs that the model must label rightly before a run asks it
        anything else; null checks nothing.
    """

    model: str = "llama3.1:8b"
    api: Literal["ollama", "openai"] = "ollama"
    url: str | None = None
    num_ctx: Count = 4096
    timeout: Annotated[float, Gt(0)] = 300.0
    max_tokens: Count | None = None
    think: Thinking | None = None
    logprobs: bool = False
    recorded: str | None = None
    on_unknown: Literal["error", "undecided"] = "error"
    generator: Mapping[str, Any] | None = None
    budget: str | None = None
    require_accuracy: NotZeroShare | None = None


# What a system may have for itself: not what changes the number of steps.
OWN_TRAINING = ("refresh", "curriculum", "batch_clusters")


@dataclass(frozen=True)
class Stage:
    """One stage of a system.

    :param name: Short name of the component, such as ``bm25``.
    :param params: Constructor parameters, defaults filled in.
    """

    name: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """A resolved recipe.

    :param name: Name of the run folder.
    :param seeds: One training run per seed and system.
    :param data: Where the examples come from.
    :param systems: Name → stages; a system without stages trains on in-batch negatives alone.
    :param start_from: System → earlier system whose model it goes on from, or ``run:NAME/SYSTEM``, the model of the
        same seed in the run folder NAME beside this one; all others start from the base model.
    :param train_by_system: System → parameters of the trainer that it has for itself: how its negatives change and its
        batches are made; the steps are those of all.
    :param llm: The language model of stages that ask one; None where there is none.
    :param train: Parameters of the trainer, defaults filled in; None does not train.
    :param evaluate: What is measured; None measures nothing.
    :param memory: What every stage stays within, such as ``8GB``; None promises nothing.
    :param engine: What computes the stages: ``local``, this process, or ``ray``, a cluster's tasks.
    :param source: File of the recipe; None where there is none of the user's own.
    """

    name: str
    seeds: tuple[int, ...]
    data: DataSection
    systems: Mapping[str, tuple[Stage, ...]]
    train: Mapping[str, Any] | None
    evaluate: EvaluateSection | None
    start_from: Mapping[str, str] = field(default_factory=dict)
    train_by_system: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    llm: LLMSection | None = None
    memory: str | None = None
    engine: EngineName = LOCAL
    source: Path | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as it would be written, with every default."""
        return {
            "name": self.name,
            "seed": list(self.seeds),
            "memory": self.memory,
            "engine": self.engine,
            "data": plain(self.data),
            "systems": {
                name: [{stage.name: dict(stage.params)} for stage in stages] for name, stages in self.systems.items()
            },
            "start_from": dict(self.start_from),
            "train_by_system": {name: dict(own) for name, own in self.train_by_system.items()},
            "llm": None if self.llm is None else plain(self.llm),
            "train": None if self.train is None else dict(self.train),
            "evaluate": None if self.evaluate is None else plain(self.evaluate),
        }


def plain(section: Any) -> dict[str, Any]:
    """Return a section's fields as YAML has them."""
    return {item.name: as_yaml(getattr(section, item.name)) for item in fields(section)}
