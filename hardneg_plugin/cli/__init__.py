"""The command ``hardneg``: one file for each verb, which imports heavy libraries only when it runs."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Any

import click

from hardneg_plugin.cli.endings import end_at_interrupt, reason_of
from hardneg_plugin.errors import HardnegError
from hardneg_plugin.visible import visible

# Verb → one line of help, in the order of a run's life; the file of a verb has its name (with _ for -).
VERBS = {
    "mine": "Mine hard negatives for a file of pairs.",
    "recipes": "List the recipes that come with hardneg.",
    "show": "Print a recipe with all defaults and overrides.",
    "validate": "Check a recipe without running it.",
    "doctor": "Say what this machine lacks to run a recipe, and what to do.",
    "judge-check": "Ask a recipe's judge about pairs whose kind is known.",
    "run": "Run a recipe: mine, train, evaluate, report.",
    "refilter": "Change margins, labels or samples of a finished run.",
    "calibrate": "Label a sample of a run; see what budgets keep.",
    "benchmark": "Run a suite of recipes and put their results side by side.",
    "download": "Fetch a dataset of the hub and count its rows.",
    "audit": "Find what is wrong with training rows, whoever made them.",
    "evaluate": "Measure a model on a dataset, beside BM25 retrieval.",
    "convert": "Convert training rows to the format of another library.",
    "export": "Print a recipe's mining stages as a Haystack pipeline.",
    "cache": "Show or clear the cache of corpora and indexes.",
}


class _Verbs(click.Group):
    """Loads a verb's module when it is called, so that help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = import_module(f"hardneg_plugin.cli.{name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def main(self, *arguments: Any, **options: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            # A terminal that is not UTF-8 shows what it cannot write as an escape.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        end_at_interrupt()
        return super().main(*arguments, **options)

    def invoke(self, ctx: click.Context) -> object:
        # What was asked for wrongly, or the machine cannot do, is one line; a bug keeps its traceback.
        try:
            return super().invoke(ctx)
        except Exception as error:
            reason = str(error) if isinstance(error, HardnegError) else reason_of(error)
            if reason is None:
                raise
            raise click.ClickException(visible(reason)) from error


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hardneg")
def main() -> None:
    """Hard-negative mining for dense retrieval.

    \b
    Examples:
      hardneg run quickstart
      hardneg run phase1_bm25 --set data.dataset=beir:data/msmarco
      hardneg show quickstart
    """
