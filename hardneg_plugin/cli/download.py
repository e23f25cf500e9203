"""``hardneg download``."""

from __future__ import annotations

import click

from hardneg_plugin.cli.say import say


@click.command("download")
@click.argument("names", nargs=-1, required=False)
@click.option("--language", "languages", multiple=True, metavar="CODE", help="Language of the datasets; repeatable.")
@click.option(
    "--limit", type=click.IntRange(1), metavar="ROWS", help="First rows alone, of datasets whose rows stand alone."
)
@click.option("--dry-run", is_flag=True, help="Print the files with their sizes; download nothing.")
def command(names: tuple[str, ...], languages: tuple[str, ...], limit: int | None, dry_run: bool) -> None:
    """Fetch the datasets NAMES (without any: list what there is).

    Sizes and licences are printed before anything is fetched; what is here is not fetched again, what was cut off goes
    on, and the rows of every file are counted. With --limit no more than the first rows is read from the hub; the
    dataset is then called NAME?rows=ROWS.

    \b
    Examples:
      hardneg download
      hardneg download msmarco --dry-run
      hardneg download mr-tydi --language sw --language bn
      hardneg download msmarco-bm25 --limit 10000
    """
    from hardneg_plugin.datasets.hub import download, download_plan, hub_names
    from hardneg_plugin.run.cost import size

    if not names:
        for name, known in hub_names().items():
            say(f"{name}{':LANG  ' + ' '.join(known) if known else ''}")
        return
    wanted = _wanted(names, languages)
    plan = {file.where: file for name, language in wanted for file in download_plan(name, language, limit)}
    for file in plan.values():
        bytes_ = "here" if file.present else size(file.bytes) if file.bytes else "size?"
        say(f"{bytes_:>10}  {file.where}  [{file.licence}]")
    missing = [file for file in plan.values() if not file.present]
    say(f"to download: {len(missing)} of {len(plan)} files, {size(sum(file.bytes or 0 for file in missing))}")
    if dry_run:
        return
    for name, language in wanted:
        for file in download(name, language, lambda line: say(line, err=True), limit):
            say(f"{size(file.bytes or 0):>10}  {file.where}: rows counted")


def _wanted(names: tuple[str, ...], languages: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return name and language of each dataset; ``mr-tydi:sw`` carries its own."""
    wanted = []
    for name in names:
        kind, colon, language = name.partition(":")
        wanted += [(kind, language)] if colon or not languages else [(kind, code) for code in languages]
    return wanted
