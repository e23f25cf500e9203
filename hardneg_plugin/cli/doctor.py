"""``hardneg doctor``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from hardneg_plugin.cli.options import set_option, without_telemetry
from hardneg_plugin.cli.say import say

if TYPE_CHECKING:
    from hardneg_plugin.run.doctor import Check


@click.command("doctor")
@click.argument("recipe", required=False)
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print a list of {name, state, detail, remedy}.")
def command(recipe: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Say what is here and what is missing: packages, GPUs, cache, hub; for RECIPE its datasets, models and server.

    The server of a recipe's language model is asked one short question. Nothing is fetched, and nothing is written.
    Ends with status 1 where something is missing that a recipe, or RECIPE, cannot run without.

    \b
    Examples:
      hardneg doctor
      hardneg doctor phase3_llm --set llm.url=http://127.0.0.1:11434
    """
    without_telemetry()
    from hardneg_plugin.run.doctor import machine_checks
    from hardneg_plugin.run.doctor_recipe import recipe_checks

    if overrides and recipe is None:
        msg = "--set changes a recipe: name one"
        raise click.UsageError(msg)
    found = []
    for checks in (machine_checks(), recipe_checks(recipe, overrides) if recipe is not None else ()):
        for check in checks:
            found.append(check)
            if not as_json:
                _say_check(check)
    missing = sum(check.state == "missing" for check in found)
    if as_json:
        say(json.dumps([check._asdict() for check in found], ensure_ascii=False, indent=2))
    else:
        say(f"{missing} missing" if missing else f"nothing is missing{'' if recipe is None else f' for {recipe}'}")
    if missing:
        raise SystemExit(1)


def _say_check(check: Check) -> None:
    say(f"{check.state:<8} {check.name}: {check.detail}")
    if check.remedy:
        say(f"{'':<8}   -> {check.remedy}")
