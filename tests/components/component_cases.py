"""One row per component: what the contract tests of all of them are driven by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import hardneg_plugin

CORPUS = "a dataset spec"  # stands for a real one where a test runs the component


class Case(NamedTuple):
    """A component.

    :param name: Class name.
    :param module: Module that its `type` in YAML names: serialised API.
    :param stage: Whether it takes examples and gives examples.
    :param required: Parameters without a default.
    :param defaults: All others, by default.
    :param custom: All of them, each with another value.
    :param bad: Parameters that are refused, and what the message says.
    :param inputs: Sockets of `run`.
    :param outputs: Sockets that `run` fills.
    """

    name: str
    module: str
    stage: bool
    required: Mapping[str, Any]
    defaults: Mapping[str, Any]
    custom: Mapping[str, Any]
    bad: tuple[tuple[Mapping[str, Any], str], ...]
    inputs: tuple[str, ...] = ("examples",)
    outputs: tuple[str, ...] = ("examples",)

    @property
    def type(self) -> str:
        """What Haystack writes as the type of the component."""
        return f"hardneg_plugin.components.{self.module}.{self.name}"

    def build(self, spec: Any = CORPUS, /, **parameters: Any) -> Any:
        """Make the component with its required parameters and some more."""
        required = {name: spec if value is CORPUS else value for name, value in self.required.items()}
        return getattr(hardneg_plugin, self.name)(**{**required, **parameters})


def whole(name: str, lowest: int, got: object) -> tuple[dict[str, Any], str]:
    return {name: got}, f"{name} must be a whole number of at least {lowest}, got {got!r}"


NO_CORPUS = tuple(
    ({"corpus": value}, f"corpus must be a dataset spec or a document store, got {value!r}")
    for value in (None, 7, ["beir:data"])
)
NO_SOURCE = tuple(({"source": value}, f"source must be a name, got {value!r}") for value in ("", "  ", None))

CASES = (
    Case(
        name="BM25NegativeMiner",
        module="bm25_negative_miner",
        stage=True,
        required={"corpus": CORPUS},
        defaults={"top_k": 100, "k1": 1.2, "b": 0.75, "language": "", "source": "bm25"},
        custom={"top_k": 7, "k1": 0.9, "b": 0.4, "language": "ko", "source": "words"},
        bad=(
            *NO_CORPUS,
            *NO_SOURCE,
            whole("top_k", 1, 0),
            whole("top_k", 1, 2.0),
            whole("top_k", 1, True),
            whole("top_k", 1, "5"),
            ({"k1": -0.1}, "k1 must be a number of at least 0, got -0.1"),
            ({"k1": float("nan")}, "k1 must be a number of at least 0, got nan"),
            ({"k1": "1.2"}, "k1 must be a number of at least 0, got '1.2'"),
            ({"b": 1.01}, "b must be a number from 0 to 1, got 1.01"),
            ({"b": -1}, "b must be a number from 0 to 1, got -1"),
        ),
    ),
    Case(
        name="RandomNegativeMiner",
        module="random_negative_miner",
        stage=True,
        required={"corpus": CORPUS},
        defaults={"top_k": 10, "seed": 0, "source": "random"},
        custom={"top_k": 3, "seed": 11, "source": "chance"},
        bad=(*NO_CORPUS, *NO_SOURCE, whole("top_k", 1, 0), whole("top_k", 1, None)),
    ),
    Case(
        name="KnownPositiveFilter",
        module="known_positive_filter",
        stage=True,
        required={},
        defaults={"near_duplicate": 0.9},
        custom={"near_duplicate": None},
        bad=(
            ({"near_duplicate": 0}, "near_duplicate must be above 0"),
            ({"near_duplicate": 1.1}, "near_duplicate must be a number from 0 to 1, got 1.1"),
            ({"near_duplicate": -0.5}, "near_duplicate must be a number from 0 to 1, got -0.5"),
            ({"near_duplicate": True}, "near_duplicate must be a number from 0 to 1, got True"),
            ({"near_duplicate": "0.9"}, "near_duplicate must be a number from 0 to 1, got '0.9'"),
        ),
    ),
    Case(
        name="NegativeSampler",
        module="negative_sampler",
        stage=True,
        required={},
        defaults={
            "num_negatives": 3,
            "strategy": "top",
            "rank_from": 1,
            "rank_to": None,
            "source": None,
            "seed": 0,
            "scorer": None,
            "simans_a": 1.0,
            "simans_b": 0.0,
            "quotas": None,
        },
        custom={
            "num_negatives": 1,
            "strategy": "simans",
            "rank_from": 2,
            "rank_to": 9,
            "source": "bm25",
            "seed": 5,
            "scorer": "m",
            "simans_a": 2.0,
            "simans_b": -0.5,
            "quotas": {"bm25": 1},
        },
        bad=(
            whole("num_negatives", 1, 0),
            whole("rank_from", 1, 0),
            whole("rank_to", 1, 0),
            whole("rank_to", 1, 9.5),
            ({"rank_from": 5, "rank_to": 4}, "the window ends (rank_to=4) before it starts (rank_from=5)"),
            ({"strategy": "best"}, "strategy must be one of top, random, simans; got 'best'"),
        ),
    ),
    Case(
        name="TripletBuilder",
        module="triplet_builder",
        stage=False,
        required={},
        defaults={"shape": "n-tuple", "num_negatives": None, "ids": False, "scores": None},
        custom={"shape": "triplet", "num_negatives": 2, "ids": True, "scores": "dense:m"},
        bad=(
            ({"shape": "pairs"}, "shape must be one of n-tuple, triplet, labeled-pair, labeled-list; got 'pairs'"),
            whole("num_negatives", 1, 0),
        ),
        outputs=("triplets",),
    ),
    Case(
        name="SentenceTransformersTrainer",
        module="sentence_transformers_trainer",
        stage=False,
        required={"output_dir": "models/new", "base_model": "models/base"},
        defaults={
            "loss": "multiple_negatives_ranking",
            "loss_args": None,
            "epochs": 1,
            "max_steps": None,
            "batch_size": 32,
            "learning_rate": "auto",
            "warmup": 0.1,
            "max_length": None,
            "pooling": None,
            "seed": 42,
            "static_dims": 512,
            "vocabulary": 16_000,
            "save_steps": 500,
            "arguments": None,
            "corpus": None,
            "progress": "auto",
            "encoders": "tied",
            "lora": None,
            "prompts": None,
        },
        custom={
            "loss": "triplet",
            "loss_args": {"triplet_margin": 2.0},
            "epochs": 0.5,
            "max_steps": 9,
            "batch_size": 4,
            "learning_rate": 1e-4,
            "warmup": 0.0,
            "max_length": 64,
            "pooling": "cls",
            "seed": 1,
            "static_dims": 8,
            "vocabulary": 100,
            "save_steps": 0,
            "arguments": {"weight_decay": 0.01},
            "corpus": CORPUS,
            "progress": "none",
            "encoders": "separate",
            "lora": {"r": 4},
            "prompts": {"query": "query: "},
        },
        bad=(
            *NO_CORPUS[1:],
            ({"base_model": "static"}, "base_model static learns its word pieces from a corpus; give corpus"),
            ({"loss": "cosine"}, "loss must be one of multiple_negatives_ranking, "),
            ({"pooling": "max"}, "pooling must be one of None, mean, cls; got 'max'"),
            ({"encoders": "both"}, "encoders must be one of tied, separate; got 'both'"),
            ({"progress": "bar"}, "progress must be one of auto, none; got 'bar'"),
            ({"batch_size": 0}, "batch_size must be above 0, got 0"),
            ({"epochs": 0}, "epochs must be above 0, got 0"),
            ({"max_steps": -1}, "max_steps must be above 0, got -1"),
        ),
        inputs=("triplets",),
        outputs=("model", "training"),
    ),
    Case(
        name="RetrievalEvaluator",
        module="retrieval_evaluator",
        stage=False,
        required={"dataset": CORPUS},
        defaults={"split": "test", "metrics": None, "relevance": 1, "top_k": 100, "batch_size": 32},
        custom={"split": "dev", "metrics": ["RR@5"], "relevance": 2, "top_k": 5, "batch_size": 8},
        bad=(
            whole("relevance", 1, 0),
            whole("top_k", 1, -3),
            whole("batch_size", 1, 0),
            ({"metrics": []}, "metrics is an empty list; None takes the usual ones"),
        ),
        inputs=("model",),
        outputs=("metrics", "languages"),
    ),
)
STAGES = tuple(case for case in CASES if case.stage)
MINERS = tuple(case for case in CASES if case.stage and "corpus" in case.required)
TAKES_CORPUS = tuple(case for case in CASES if "corpus" in {**case.required, **case.defaults})
TAKES_EXAMPLES = tuple(case for case in CASES if case.inputs == ("examples",))


def named(case: Case) -> str:
    """Return the id of a case among the parameters of a test."""
    return case.name
