"""Options and arguments that several verbs share."""

from __future__ import annotations

import os

import click

recipe_argument = click.argument("recipe")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace an output that is there already.")
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the recipe, such as train.epochs=3 or systems.bm25.bm25.top_k=50; may be given again.",
)
query_prompt_option = click.option(
    "--query-prompt", help='Text before each query, such as "query: "; the model\'s own by default.'
)
corpus_prompt_option = click.option(
    "--corpus-prompt", help='Text before each passage, such as "passage: "; the model\'s own by default.'
)


def without_telemetry() -> None:
    """Keep Haystack, which must not have been imported yet, from writing a file into the home folder."""
    os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
