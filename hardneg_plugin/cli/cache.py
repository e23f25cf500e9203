"""``hardneg cache``."""

from __future__ import annotations

from itertools import chain

import click

from hardneg_plugin import cache
from hardneg_plugin.cli.say import say


@click.group("cache", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Show or clear the cache of corpora, indexes and the answers of language models.

    \b
    Examples:
      hardneg cache
      hardneg cache clear bm25
      hardneg cache clear llm
    """
    if context.invoked_subcommand is None:
        show()


def show() -> None:
    """Print every entry with its size."""
    total = 0
    for entry in chain(cache.entries(), cache.answers()):
        total += entry.size
        say(f"{entry.size / 1e6:10.1f} MB  {entry.kind}/{entry.key}")
    say(f"{total / 1e6:10.1f} MB  in {cache.cache_root()} (set {cache.CACHE_VARIABLE} for another folder)")


@command.command("clear")
@click.argument("kind", required=False)
def clear(kind: str | None) -> None:
    """Remove all entries, or those of one KIND; nothing else is touched.

    Kinds are bm25, clusters, corpus, dense-index, embeddings, levelled, pieces, sources, tokenizers, web and llm.
    The answers of language models (llm) are removed by their kind only: they cost hours or money.
    """
    answers = sum(entry.size for entry in cache.answers())
    kinds = sorted({entry.kind for entry in chain(cache.entries(), cache.answers())})
    if kind is not None and kind not in kinds:
        msg = f"no entries of kind {kind!r}; kinds: {', '.join(kinds) or 'none'}"
        raise click.ClickException(msg)
    say(f"freed {cache.clear(kind) / 1e6:.1f} MB")
    if kind is None and answers:
        say(f"left {answers / 1e6:.1f} MB of answers of language models; `hardneg cache clear llm` removes them")
