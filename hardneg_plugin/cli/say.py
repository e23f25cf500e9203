"""Lines on the terminal: the one place where text from outside reaches it."""

from __future__ import annotations

import click

from hardneg_plugin.visible import visible


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text; control characters in it are shown, so that no passage and no name works on the terminal.

    :param text: The text.
    :param err: Whether it goes to standard error.
    :param nl: Whether a line ends behind it.
    """
    click.echo(visible(text), err=err, nl=nl)
