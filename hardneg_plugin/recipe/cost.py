"""What a recipe will cost, estimated before anything is read, downloaded or written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hardneg_plugin.components import stage_class
from hardneg_plugin.datasets import dataset_sizes, parse_spec
from hardneg_plugin.datasets.hub import PlannedFile, download_plan, hub_names
from hardneg_plugin.datasets.sizes import Sizes
from hardneg_plugin.datasets.spec import UNION
from hardneg_plugin.recipe.chat_generator import CHAT_GENERATOR, generator_of
from hardneg_plugin.recipe.schema import SYSTEM_PREFIX, Recipe, Stage
from hardneg_plugin.recipe.stages import build_stage, stage_params
from hardneg_plugin.recipe.targets import other_datasets
from hardneg_plugin.training import planned_steps
from hardneg_plugin.training.base_model import STATIC

_RATES = Path(__file__).with_name("cost_rates.yaml")


@dataclass(frozen=True)
class Cost:
    """An estimate, right within a factor of two or three.

    :param queries: Queries that are mined for and trained on.
    :param passages: Passages of the corpus.
    :param trainings: Models to train.
    :param steps: Optimiser steps of each.
    :param llm_calls: Questions to a language model, none answered before.
    :param memory: Bytes of main memory at once.
    :param accelerator_memory: Bytes of a GPU's memory that training takes; 0 for a static model.
    :param disk: Bytes written to cache and run folder.
    :param seconds: Part of the work → wall-clock time.
    :param device: What the times are for.
    :param downloads: Files that are not on this machine yet.
    """

    queries: int
    passages: int
    trainings: int
    steps: int
    llm_calls: int
    memory: float
    accelerator_memory: float
    disk: float
    seconds: Mapping[str, float]
    device: str
    downloads: tuple[PlannedFile, ...] = ()

    def lines(self) -> list[str]:
        """Return the estimate as text."""
        work = ", ".join(f"{part} {duration(seconds)}" for part, seconds in self.seconds.items() if seconds >= 1)
        gpu = f", {size(self.accelerator_memory)} on the accelerator" if self.accelerator_memory else ""
        return [
            f"{self.queries:,} queries, {self.passages:,} passages; {self.trainings} trainings of {self.steps:,} steps",
            *self._download_lines(),
            f"disk: about {size(self.disk)}; memory: about {size(self.memory)}{gpu}",
            f"LLM calls: {f'{self.llm_calls:,}' if self.llm_calls else 'none'}",
            f"time on {self.device}: about {duration(sum(self.seconds.values()))} ({work or 'seconds'})",
        ]

    def _download_lines(self) -> list[str]:
        if not self.downloads:
            return ["downloads: none"]
        total = sum(file.bytes or 0 for file in self.downloads)
        unknown = sum(file.bytes is None for file in self.downloads)
        more = f" and {unknown} of a size that only the hub knows" if unknown else ""
        lines = [f"  {size(file.bytes) if file.bytes else 'size?'}  {file.where}" for file in self.downloads]
        return [f"downloads: {size(total)} in {len(self.downloads)} files{more}", *lines]


def size(count: float) -> str:
    """Return bytes for people."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"


def duration(seconds: float) -> str:
    """Return seconds for people."""
    if seconds >= 5400:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def estimate(recipe: Recipe, *, gpu: bool) -> Cost:
    """Return what a recipe will cost.

    :param recipe: The recipe.
    :param gpu: Whether models run on a GPU.
    :raises DatasetError: If a dataset has no size that can be told.
    """
    return _Estimate(recipe, gpu).cost()


@cache
def _rates() -> Any:
    return yaml.safe_load(_RATES.read_text("utf-8"))


class _Estimate:
    def __init__(self, recipe: Recipe, gpu: bool) -> None:
        self._recipe, self._gpu, self._rates = recipe, gpu, _rates()
        self._data = dataset_sizes(recipe.data.spec)
        self._queries = self._drawn(self._data.queries.get(recipe.data.train, 0))
        self._static = _is_static((recipe.train or {}).get("base_model", STATIC))

    def _drawn(self, queries: int) -> int:
        data = self._recipe.data
        if data.limit_per_language is not None:
            # A language is a part here; how many a part holds is not known before it is read.
            queries = min(queries, data.limit_per_language * len(data.spec.split(UNION)))
        return min(queries, data.limit or queries)

    def cost(self) -> Cost:
        recipe, train = self._recipe, self._recipe.train
        trainings = len(recipe.systems) * len(recipe.seeds) if train else 0
        steps = self._steps() if train and self._queries else 0
        calls = sum(self._calls())
        targets = self._targets()
        measured = sum(sizes.passages for sizes in targets)
        seconds = {
            "mining": self._mining(),
            "language model": calls * self._rates["llm"]["seconds_per_call"],
            "training": trainings * self._training(steps),
            "measuring": (trainings + bool(train)) * self._encoding(measured) + sum(map(self._bm25, targets)),
        }
        device = "one GPU of 12 GB" if self._gpu and not self._static else "two processor cores"
        largest = max([self._data.passages, *(sizes.passages for sizes in targets)])
        memory = self._rates["memory"]
        return Cost(
            self._queries,
            self._data.passages,
            trainings,
            steps,
            calls,
            memory["base"] + largest * (4 * self._dimensions + self._rates["bm25"]["index_bytes_per_passage"] / 4),
            0 if self._static or not train else self._training_memory(),
            self._disk(targets, trainings),
            seconds,
            device,
            self._downloads(),
        )

    @property
    def _dimensions(self) -> int:
        train = self._recipe.train or {}
        return int(train.get("static_dims", 512) if self._static else self._rates["transformer"]["dimensions"])

    def _steps(self) -> int:
        train = self._recipe.train or {}
        accumulation = (train["arguments"] or {}).get("gradient_accumulation_steps", 1)
        rows = max(self._queries, 1)
        return planned_steps(rows, train["batch_size"], train["epochs"], accumulation, max_steps=train["max_steps"])

    def _downloads(self) -> tuple[PlannedFile, ...]:
        """Return the files of all datasets that are not here, each once; measuring may share them with training."""
        evaluate = self._recipe.evaluate
        others = other_datasets(evaluate.datasets).values() if evaluate else ()
        missing: dict[str, PlannedFile] = {}
        for spec in (self._recipe.data.spec, *(other.dataset for other in others)):
            for part in map(parse_spec, spec.split(UNION)):
                files = download_plan(part.kind, part.path) if part.kind in hub_names() else []
                missing |= {file.where: file for file in files if not file.present}
        return tuple(missing.values())

    def _targets(self) -> list[Sizes]:
        evaluate = self._recipe.evaluate
        if evaluate is None:
            return []
        others = [dataset_sizes(other.dataset) for other in other_datasets(evaluate.datasets).values()]
        return [*([self._data] if evaluate.splits else []), *others]

    def _calls(self) -> Iterator[int]:
        """Yield the calls of each stage that asks; systems and seeds share what is the same up to a stage."""
        seen: set[str] = set()
        for stages in self._recipe.systems.values():
            candidates: Counter[str] = Counter()
            for place, stage in enumerate(stages):
                key = json.dumps([[one.name, dict(one.params)] for one in stages[: place + 1]], default=str)
                if hasattr(stage_class(stage.name), "calls_for") and key not in seen:
                    seen.add(key)
                    seeds = len(self._recipe.seeds) if _differs_by_seed(stages[: place + 1]) else 1
                    yield seeds * self._queries * self._component(stage).calls_for(_seen_by(stage, candidates))
                candidates = _after(stage, candidates)

    def _component(self, stage: Stage) -> Any:
        recipe = self._recipe
        filled = {"corpus": recipe.data.spec, "model": (recipe.train or {}).get("base_model", STATIC)}
        if recipe.llm is not None:
            filled[CHAT_GENERATOR] = generator_of(recipe.llm)
        return build_stage(stage.name, stage_params(stage, {**filled, "language": "", "seed": recipe.seeds[0]}))

    def _mining(self) -> float:
        stages = {(stage.name, str(stage.params)) for system in self._recipe.systems.values() for stage in system}
        dense = sum(name == "dense" for name, _ in stages) * len(self._recipe.seeds)
        return dense * self._encoding(self._data.passages) + any(name == "bm25" for name, _ in stages) * self._bm25(
            self._data, self._queries
        )

    def _bm25(self, sizes: Sizes, queries: int | None = None) -> float:
        rates = self._rates["bm25"]
        asked = sum(sizes.queries.values()) if queries is None else queries
        return float(sizes.passages / rates["indexed_passages"] + asked * sizes.passages / rates["query_passages"])

    def _encoding(self, passages: int) -> float:
        if self._static:
            return float(passages / self._rates["static"]["encoded_texts"])
        rates = self._rates["transformer"]
        return float(passages * self._tokens() * rates["forward"] * rates["parameters"] / self._operations())

    def _training(self, steps: int) -> float:
        batch = int((self._recipe.train or {}).get("batch_size", 0))
        texts = steps * batch * (1 + self._most_passages())
        if self._static:
            return float(texts / self._rates["static"]["trained_texts"])
        rates = self._rates["transformer"]
        tokens = steps * batch * (self._rates["query_tokens"] + self._most_passages() * self._tokens())
        return float(tokens * rates["train"] * rates["parameters"] / self._operations())

    def _most_passages(self) -> int:
        """Return the passages of a training row: the positive and the most negatives of any system."""
        kept = [0]
        for stages in self._recipe.systems.values():
            kept += [int(stage.params["num_negatives"]) for stage in stages if stage.name == "sample"][-1:]
        return 1 + max(kept)

    def _operations(self) -> float:
        return float(self._rates["transformer"]["gpu_operations" if self._gpu else "cpu_operations"])

    def _tokens(self) -> float:
        train, sizes = self._recipe.train or {}, self._data
        mean = sizes.text_bytes / sizes.passages / self._rates["chars_per_token"] if sizes.passages else 0
        return float(min(mean or self._rates["passage_tokens"], train.get("max_length") or 512))

    def _training_memory(self) -> float:
        train, rates = self._recipe.train or {}, self._rates["memory"]
        parameters = self._rates["transformer"]["parameters"] + rates["embedding_parameters"]
        tokens = int(train["batch_size"]) * (self._rates["query_tokens"] + self._most_passages() * self._tokens())
        return float(parameters * rates["parameter_bytes"] + tokens * rates["activation_bytes"])

    def _disk(self, targets: Sequence[Sizes], trainings: int) -> float:
        text = self._data.text_bytes + sum(sizes.text_bytes for sizes in targets)
        passages = self._data.passages + sum(sizes.passages for sizes in targets)
        model = 4 * self._dimensions * 16_000 if self._static else 7.2e8
        index = passages * self._rates["bm25"]["index_bytes_per_passage"]
        rows = self._queries * len(self._recipe.systems) * 2_000
        return float(2 * text + index + trainings * model + rows)


def _seen_by(stage: Stage, candidates: Counter[str]) -> int:
    source = str(stage.params.get("source"))
    return candidates[source] if source in candidates else candidates.total()


def _after(stage: Stage, candidates: Counter[str]) -> Counter[str]:
    """Return the candidates of a query behind a stage by source, at most."""
    params = stage.params
    most = {"sample": params.get("num_negatives"), "classify": params.get("max_candidates")}.get(stage.name)
    if stage.name in ("sample", "classify"):
        return Counter({source: min(number, most or number) for source, number in candidates.items()})
    added = int(params.get("top_k") or params.get("num_passages") or 0)
    return candidates + Counter({str(params.get("source") or stage.name): added})


def _differs_by_seed(stages: Sequence[Stage]) -> bool:
    return any(stage.name == "random" or str(stage.params.get("model")).startswith(SYSTEM_PREFIX) for stage in stages)


def _is_static(base_model: str) -> bool:
    """Tell whether a model is a table, by its own files alone; a hub id that is not here counts as a transformer."""
    modules = Path(base_model).expanduser() / "modules.json"
    return base_model == STATIC or (modules.is_file() and "StaticEmbedding" in modules.read_text("utf-8"))
