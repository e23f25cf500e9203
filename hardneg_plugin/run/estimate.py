"""Estimate the cost of a recipe before anything is read, downloaded or written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.datasets import dataset_sizes, parse_spec
from hardneg_plugin.datasets.hub import PlannedFile, download_plan, hub_names
from hardneg_plugin.datasets.sizes import Sizes
from hardneg_plugin.datasets.spec import UNION
from hardneg_plugin.recipe.chat_generator import CHAT_GENERATOR, generator_of
from hardneg_plugin.recipe.schema import SYSTEM_PREFIX, Recipe, Stage
from hardneg_plugin.recipe.stages import build_stage, stage_params
from hardneg_plugin.recipe.targets import other_datasets
from hardneg_plugin.run.cost import Cost
from hardneg_plugin.search.dense.buffers import IN_MEMORY
from hardneg_plugin.search.models import is_static_folder
from hardneg_plugin.training import planned_steps
from hardneg_plugin.training.base_model import STATIC

# The mini-batch of sentence-transformers' cached losses.
_MINI_BATCH = 32
_RATES = Path(__file__).with_name("cost_rates.yaml")


def estimate(recipe: Recipe, *, gpu: bool) -> Cost:
    """Return what a recipe will cost.

    :param recipe: The recipe.
    :param gpu: Whether models run on a GPU.
    :raises DatasetError: If a dataset has no size that can be told.
    """
    return _Estimate(recipe, gpu).cost()


def hub_files(recipe: Recipe) -> Iterator[PlannedFile]:
    """Yield the files of all datasets of the hub that a recipe names, those that are on this machine too.

    :param recipe: The recipe.
    :raises DatasetError: If there is no such dataset.
    """
    evaluate = recipe.evaluate
    others = other_datasets(evaluate.datasets).values() if evaluate else ()
    for spec in (recipe.data.spec, *(other.dataset for other in others)):
        for part in map(parse_spec, spec.split(UNION)):
            rows = part.options.get("rows")
            if part.kind in hub_names():
                yield from download_plan(part.kind, part.path, int(rows) if rows else None)


def training_memory(tokens: float) -> float:
    """Return the bytes of an accelerator's memory that training mBERT takes.

    :param tokens: Tokens of a batch, padding included, whose gradients are computed at once.
    """
    memory, transformer = _rates()["memory"], _rates()["transformer"]
    parameters = transformer["parameters"] + memory["embedding_parameters"]
    return float(parameters * memory["parameter_bytes"] + tokens * memory["activation_bytes"])


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
            memory["base"]
            + min(largest * 4 * self._dimensions, IN_MEMORY)
            + largest * self._rates["bm25"]["index_bytes_per_passage"],
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
        missing: dict[str, PlannedFile] = {}
        for file in hub_files(self._recipe):
            if not file.present:
                missing.setdefault(file.where, file)
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
            for position, stage in enumerate(stages):
                key = json.dumps([[one.name, dict(one.params)] for one in stages[: position + 1]], default=str)
                component = self._component(stage)
                if key not in seen:
                    seen.add(key)
                    seeds = len(self._recipe.seeds) if _differs_by_seed(stages[: position + 1]) else 1
                    yield seeds * self._queries * component.calls_for(_seen_by(stage, candidates))
                candidates = _after(component, candidates)

    def _component(self, stage: Stage) -> StageComponent:
        recipe = self._recipe
        filled = {"corpus": recipe.data.spec, "model": (recipe.train or {}).get("base_model", STATIC)}
        if recipe.llm is not None:
            filled[CHAT_GENERATOR] = generator_of(recipe.llm)
        return build_stage(stage.name, stage_params(stage, {**filled, "language": "", "seed": recipe.seeds[0]}))

    def _mining(self) -> float:
        names = {stage.name for stages in self._recipe.systems.values() for stage in stages}
        bm25 = self._bm25(self._data, self._queries) if "bm25" in names else 0
        return bm25 + self._dense_stages() * self._encoding(self._data.passages)

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
        train = self._recipe.train or {}
        rows = int(train["batch_size"])
        if "cached" in str(train.get("loss")):
            # What the backward pass needs is kept for a small batch at a time.
            rows = min(rows, (train.get("loss_args") or {}).get("mini_batch_size", _MINI_BATCH))
        # Passages are padded to the longest of a batch, about twice the mean.
        longest = min(2 * self._tokens(), train.get("max_length") or 512)
        return training_memory(rows * (self._rates["query_tokens"] + self._most_passages() * longest))

    def _disk(self, targets: Sequence[Sizes], trainings: int) -> float:
        text = self._data.text_bytes + sum(sizes.text_bytes for sizes in targets)
        passages = self._data.passages + sum(sizes.passages for sizes in targets)
        model = 4 * self._dimensions * 16_000 if self._static else 7.2e8
        index = passages * self._rates["bm25"]["index_bytes_per_passage"]
        rows = self._queries * len(self._recipe.systems) * 2_000
        largest = 4 * self._dimensions * max([self._data.passages, *(sizes.passages for sizes in targets)])
        vectors = largest if largest > IN_MEMORY else 0
        # What is mined with is kept, per seed; what is measured with goes when it is done.
        mined = self._dense_stages() * 4 * self._dimensions * self._data.passages
        return float(2 * text + index + trainings * model + rows + vectors + mined)

    def _dense_stages(self) -> int:
        """Return the models that stages mine with."""
        mined = {
            str(s.params.get("model"))
            for stages in self._recipe.systems.values()
            for s in stages
            if s.name in ("cluster", "dense")
        }
        return len(mined) * len(self._recipe.seeds)


def _seen_by(stage: Stage, candidates: Counter[str]) -> int:
    source = str(stage.params.get("source"))
    return candidates[source] if source in candidates else candidates.total()


def _after(component: StageComponent, candidates: Counter[str]) -> Counter[str]:
    """Return the candidates of a query behind a stage by source, at most."""
    kept = Counter({source: component.kept_candidates(number) for source, number in candidates.items()})
    return kept + Counter({component.added_source: component.added_candidates})


def _differs_by_seed(stages: Sequence[Stage]) -> bool:
    return any(
        stage.name in ("cluster", "random") or str(stage.params.get("model")).startswith(SYSTEM_PREFIX)
        for stage in stages
    )


def _is_static(base_model: str) -> bool:
    """Tell whether a model is a table, by its own files alone; a hub id that is not here counts as a transformer."""
    return base_model == STATIC or is_static_folder(Path(base_model).expanduser())
