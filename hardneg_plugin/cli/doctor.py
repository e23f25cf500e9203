"""``hardneg doctor``."""

from __future__ import annotations

import json
import os
from itertools import chain

import click

from hardneg_plugin.cli.options import set_option
from hardneg_plugin.cli.say import say

_SIGNS = {"ok": "ok     ", "note": "note   ", "missing": "MISSING"}


@click.command("doctor")
@click.argument("recipe", required=False)
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
@click.pass_context
def command(context: click.Context, recipe: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check this machine, and what RECIPE (a name or a file) needs: what is here, what is missing, and the remedy.

    With a recipe its datasets, models and language-model server are looked at, too, and the model judges one query of
    known labels. The exit status is 1 where something is missing without which the recipe cannot run.

    \b
    Examples:
      hardneg doctor
      hardneg doctor phase3_llm --set llm.url=http://127.0.0.1:11434
    """
    # Haystack writes a file into the home folder when it is imported with it.
    os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
    from hardneg_plugin.run.doctor import machine_checks, recipe_checks

    checks = []
    for check in chain(machine_checks(), recipe_checks(recipe, overrides) if recipe else ()):
        checks.append(check)
        if not as_json:
            say(
                f"{_SIGNS[check.state]} {check.name}: {check.detail}"
                + (f"\n        → {check.remedy}" * bool(check.remedy))
            )
    if as_json:
        say(json.dumps([check._asdict() for check in checks], ensure_ascii=False, indent=1))
    if any(check.state == "missing" for check in checks):
        context.exit(1)
