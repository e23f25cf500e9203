"""A training table of coloured things, and trainings on it that take a moment."""

from __future__ import annotations

import random
from pathlib import Path

import datasets

from hardneg_plugin.training import TrainingResult, train

COLOURS = ["red", "blue", "green"]
THINGS = ["apple", "sky", "grass", "wine", "sea", "tea"]
TEXTS = [f"the {colour} {thing}" for colour in COLOURS for thing in THINGS]


def coloured_things() -> datasets.Dataset:
    """Eighteen rows whose positive shares the anchor's words, with one to three negatives and their scores."""
    rng = random.Random(0)
    negatives = [[rng.choice(TEXTS) for _ in range(1 + row % 3)] for row in range(len(TEXTS))]
    return datasets.Dataset.from_dict(
        {
            "anchor": [f"{text} is" for text in TEXTS],
            "positive": TEXTS,
            "negatives": negatives,
            "scores": [[5.0] + [rng.random() for _ in texts] for texts in negatives],
        }
    )


def train_tiny(folder: Path, base_model: str | Path, **settings: object) -> TrainingResult:
    """Train on :func:`coloured_things` for six steps of six rows."""
    defaults = {"max_steps": 6, "batch_size": 6, "learning_rate": 1e-2, "save_steps": 0, "progress": "none"}
    if base_model == "static":
        defaults |= {"corpus_texts": TEXTS, "static_dims": 8, "vocabulary": 200}
    return train(coloured_things(), output_dir=folder, base_model=str(base_model), **(defaults | settings))
