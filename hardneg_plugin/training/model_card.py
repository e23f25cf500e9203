"""The model card of a trained model: facts of its training, and no training text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hardneg_plugin.search.models import local_folder
from hardneg_plugin.training.base_model import STATIC
from hardneg_plugin.training.encoders import TIED
from hardneg_plugin.training.result import TrainingResult

_CARD = """\
---
{header}
---

# {title}

A [sentence-transformers](https://www.sbert.net) model for dense retrieval, trained with hardneg. Embeddings are
compared by {similarity} similarity.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
queries = model.encode_query(["a question"])
passages = model.encode_document(["a passage that may answer it"])
print(model.similarity(queries, passages))
```

## Training

| | |
|---|---|
{facts}

The training loss, as the mean of the steps up to each one:

| step | loss |
|---|---|
{losses}
{refreshes}"""
_LOSS_ROWS = 10


def write_model_card(folder: Path, result: TrainingResult, record: Mapping[str, Any], *, similarity: str) -> None:
    """Write ``README.md`` into a model's folder.

    :param folder: The folder.
    :param result: What the training yielded.
    :param record: Its settings, as in ``training.json``.
    :param similarity: How they are compared, such as ``cosine``.
    """
    every = max(1, len(result.loss_history) // _LOSS_ROWS)
    text = _CARD.format(
        header=_header(result.base_model),
        title=f"{Path(result.base_model).name}, trained for retrieval",
        similarity=similarity,
        facts="\n".join(f"| {name} | {value} |" for name, value in _facts(result, record)),
        losses="\n".join(f"| {point.step:,} | {point.loss:.4f} |" for point in result.loss_history[every - 1 :: every]),
        refreshes=_refreshes(result.refreshes),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _refreshes(refreshes: Sequence[Mapping[str, Any]]) -> str:
    if not refreshes:
        return ""
    lines = ["", "The hard negatives were mined again while it was trained:", ""]
    names = list(refreshes[0])
    lines += [f"| {' | '.join(name.replace('_', ' ') for name in names)} |", f"|{'---|' * len(names)}"]
    for one in refreshes:
        lines.append(f"| {' | '.join('–' if one[name] is None else f'{one[name]:g}' for name in names)} |")
    return "\n".join(lines) + "\n"


def _header(base_model: str) -> str:
    lines = ["library_name: sentence-transformers", "pipeline_tag: sentence-similarity"]
    if base_model != STATIC and local_folder(base_model) is None:
        lines.append(f"base_model: {base_model}")
    lines += [
        "tags:",
        *(f"- {tag}" for tag in ("sentence-transformers", "feature-extraction", "dense-retrieval", "hardneg")),
    ]
    return "\n".join(lines)


def _facts(result: TrainingResult, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    base = "static embeddings, from scratch" if result.base_model == STATIC else f"`{result.base_model}`"
    facts = [
        ("base model", base),
        ("training rows", f"{result.examples:,}"),
        ("hard negatives", f"{result.negatives:,} ({result.negatives / result.examples:.2f} per row)"),
        ("loss", f"`{record['loss']}` {_plain(record['loss_args'])}".strip()),
        ("optimizer steps", f"{result.steps:,} ({result.epochs:g} epochs, batch size {record['batch_size']})"),
        ("learning rate", f"{result.learning_rate:g}, {result.warmup_steps:,} warm-up steps"),
        ("seed", str(record["seed"])),
        ("precision, device", f"{result.precision}, {result.device}"),
        ("time", f"{result.seconds:.0f} s"),
        ("mean training loss", f"{result.train_loss:.4f}"),
    ]
    if record["encoders"] != TIED:
        facts.append(("encoders", f"{record['encoders']}, one for queries and one for passages"))
    if record["lora"] is not None:
        facts.append(("low-rank adapters (merged)", _plain(record["lora"]) or "PEFT's defaults"))
    if record["prompts"]:
        facts.append(("prompts", _plain(record["prompts"])))
    for name in ("refresh", "curriculum"):
        if record[name] is not None:
            facts.append((name, _plain({key: value for key, value in record[name].items() if value is not None})))
    if record["batch_clusters"] is not None:
        facts.append(("clusters that batches are made of", f"{record['batch_clusters']:,}"))
    if record["max_length"] is not None:
        facts.append(("texts cut at", f"{record['max_length']} tokens"))
    if record["arguments"]:
        facts.append(("further arguments", _plain(record["arguments"])))
    return facts


def _plain(values: Mapping[str, Any]) -> str:
    return f"`{json.dumps(values, ensure_ascii=False)}`" if values else ""
