"""What whole runs need on one GPU of 12 GB, by the estimate of `--dry-run`: `python benchmarks/full_runs.py`."""

from __future__ import annotations

from pathlib import Path

from hardneg_plugin.recipe.find import find_suite
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.run.cost import duration, size
from hardneg_plugin.run.estimate import estimate, training_memory
from hardneg_plugin.run.suite import load_suite

RESULT = Path(__file__).parent / "results" / "full_runs.md"
SUITES = ("msmarco", "tydi", "mmarco", "all_phases")
RECIPES = ("phase5_multilingual", "base_paper")
BATCHES, LENGTHS = (8, 16, 32, 64, 128), (128, 256, 512)
CARD = 12e9

HEAD = """# What whole runs need on one GPU of 12 GB

Nothing here was measured on such a card: it is the arithmetic of `hardneg benchmark NAME --dry-run`
(hardneg_plugin/recipe/cost_rates.yaml): operations per token over what a card reaches in half precision, 16 bytes for
each of mBERT's 177 million parameters (weights, gradients and AdamW's moments), 34 bytes per token and dimension in
each of 12 layers for the backward pass. Right within a factor of two or three.

## Settings

mBERT, tied encoders, mean pooling, 256 tokens, learning rate 2e-5 with a tenth of the steps to warm up, batches of 64
by the cached loss in parts of 16: what sentence-transformers' own MS MARCO training uses (batch 64, 2e-5, 300 tokens,
ten epochs), with three epochs on MS MARCO's 502,939 queries; on Mr. TyDi ten epochs, where the known recipe for mBERT
has forty at 1e-5. What such models reached elsewhere, to be reached or explained: RR@10 0.296 on MS MARCO's dev
queries; RR@100 on Mr. TyDi's tests 0.333 zero-shot and 0.600 after fine-tuning, in the mean of eleven languages.

## Runs
"""


def main() -> None:
    """Write the page."""
    lines = [
        HEAD,
        "| run | trainings | steps each | downloads | disk | card | time |",
        "| :-- | --: | --: | --: | --: | --: | --: |",
    ]
    for name in SUITES:
        for cell in load_suite(find_suite(name), Path.cwd()).cells:
            lines.append(_row(f"{name}, {cell.name}", cell.recipe))
    lines += [_row(name, load_recipe(name)) for name in RECIPES]
    lines += [
        "",
        "## Memory of the card by batch and tokens, one positive and one negative a query",
        "",
        f"| batch | {' | '.join(f'{length} tokens' for length in LENGTHS)} |",
        f"| --: | {' | '.join('--:' for _ in LENGTHS)} |",
    ]
    for batch in BATCHES:
        needs = [training_memory(batch * 2 * length + batch * 32) for length in LENGTHS]
        cells = [size(need) + (" (cached loss)" if need > CARD else "") for need in needs]
        lines.append(f"| {batch} | {' | '.join(cells)} |")
    lines += [
        "",
        '"cached loss": more than the card has; `cached_multiple_negatives_ranking` keeps a part of a batch at a time.',
    ]
    RESULT.write_text("\n".join(lines) + "\n", "utf-8")


def _row(name: str, recipe) -> str:  # noqa: ANN001 - hardneg_plugin.recipe.schema.Recipe
    cost = estimate(recipe, gpu=True)
    files = size(sum(file.bytes or 0 for file in cost.downloads))
    parts = [name, cost.trainings, f"{cost.steps:,}", files, size(cost.disk), size(cost.accelerator_memory)]
    return f"| {' | '.join(map(str, parts))} | {duration(sum(cost.seconds.values()))} |"


if __name__ == "__main__":
    main()
