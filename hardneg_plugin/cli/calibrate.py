"""``hardneg calibrate``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from hardneg_plugin.cli.say import say


@click.command("calibrate")
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.argument("labels", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--size", type=click.IntRange(1), default=200, show_default=True, help="Pairs to draw.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draw.")
@click.option("--system", help="System of a run folder; the first that mines by default.")
@click.option("--stage", metavar="NAME", help="Stage whose kept candidates are drawn from; the last before a choice.")
@click.option("--serve", is_flag=True, help="Open a page on this machine to label on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; a free one by default.")
def command(
    run: Path, labels: Path, size: int, seed: int, system: str | None, stage: str | None, serve: bool, port: int
) -> None:
    """Label a sample of RUN's candidates in the CSV file LABELS, and see what the labels say.

    RUN is a run folder, or a file of examples. Where LABELS does not exist, a stratified sample is drawn and written;
    fill in its column `label` (relevant, irrelevant or unsure) in any spreadsheet, or with --serve in a browser. Where
    it does, the report follows: the rate of false negatives, how judge and person agree, how well a model foretells,
    and what budgets of 1, 2, 5 and 10 % keep.

    \b
    Examples:
      hardneg calibrate runs/phase3_llm labels.csv --size 300
      hardneg calibrate runs/phase3_llm labels.csv --serve
      hardneg calibrate runs/phase3_llm labels.csv
    """
    from hardneg_plugin.datasets.labels import read_labels, write_labels
    from hardneg_plugin.evaluation.label_sample import label_sample
    from hardneg_plugin.run.finished.calibration import calibration_lines, candidates_of, check_labels, drawn_from

    if labels.suffix != ".csv":
        msg = f"{labels}: the name of a label file ends in .csv"
        raise click.BadParameter(msg, param_hint="LABELS")
    new = not labels.exists()
    position = drawn_from(run, stage, system)
    if new:
        drawn = label_sample(candidates_of(run, stage, system), size, seed)
        rows = [replace(row, drawn_from=str(position)) for row in drawn]
        write_labels(labels, rows)
        say(f"{labels}: {len(rows)} pairs of {len({row.stratum for row in rows})} strata to label")
    else:
        check_labels(labels, read_labels(labels), position)
    if serve:
        _serve(labels, port)
    elif not new:
        say("\n".join(calibration_lines(candidates_of(run, stage, system), read_labels(labels), labels)))


def _serve(labels: Path, port: int) -> None:
    from hardneg_plugin.report.label_page import label_server

    try:
        server = label_server(labels, port)
    except OSError as error:
        msg = f"port {port} cannot be used: {error}"
        raise click.ClickException(msg) from error
    with server:
        say(f"Label at http://127.0.0.1:{server.server_port}/ and stop with Ctrl+C.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say(f"Stopped; the labels are in {labels}.")
