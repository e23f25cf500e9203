"""``hardneg evaluate``."""

from __future__ import annotations

from typing import Any

import click

from hardneg_plugin.cli.options import corpus_prompt_option, query_prompt_option


@click.command("evaluate")
@click.argument("model")
@click.argument("dataset")
@click.option("--split", default="test", show_default=True, help="Split of the dataset.")
@click.option("--metric", "metrics", multiple=True, help="Metric as ir_measures spells it; may be given again.")
@click.option(
    "--relevance", type=click.IntRange(1), default=1, show_default=True, help="Lowest grade that is relevant."
)
@click.option("--top-k", type=click.IntRange(1), default=100, show_default=True, help="Passages retrieved per query.")
@query_prompt_option
@corpus_prompt_option
def command(model: str, dataset: str, **options: Any) -> None:
    """Measure MODEL (folder or hub id) on DATASET (a spec), beside BM25 retrieval.

    \b
    Example:
      hardneg evaluate runs/quickstart/systems/bm25/seed-13/model sample
    """
    from rich.console import Console

    from hardneg_plugin.report import render_terminal
    from hardneg_plugin.run.evaluate_model import evaluate_model

    report = evaluate_model(model, dataset, **options)
    render_terminal(report, Console())
