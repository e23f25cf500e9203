"""``hardneg cache``."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from hardneg_plugin import cache
from hardneg_plugin.cli.say import say

BM25_KIND = "bm25"


@click.group("cache", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Show or clear the cache of corpora, indexes and the answers of language models.

    \b
    Examples:
      hardneg cache
      hardneg cache clear bm25
      hardneg cache clear llm
      hardneg cache export bm25/0a1b2c3d index
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


@command.command("export")
@click.argument("key")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def export(key: str, folder: Path) -> None:
    """Copy the BM25 index KEY (as `hardneg cache` shows it) to a new FOLDER that `bm25s.BM25.load` reads.

    \b
    Example:
      hardneg cache export bm25/0a1b2c3d index
    """
    from hardneg_plugin.search.bm25.saved import export_index

    keys = [entry.key for entry in cache.entries() if entry.kind == BM25_KIND]
    chosen = [known for known in keys if known.startswith(key.removeprefix(f"{BM25_KIND}/"))]
    if len(chosen) != 1:
        msg = f"expected the beginning of one key of an index, got {key!r}; indexes: {', '.join(keys) or 'none'}"
        raise click.ClickException(msg)
    export_index(cache.entry_path(BM25_KIND, chosen[0]), folder)
    say(f"{folder}: `bm25s.BM25.load` reads it; queries need the terms of `hardneg_plugin.text.Analyzer`")
