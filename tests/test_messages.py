from __future__ import annotations

import logging

from hardneg_plugin.messages import shown_by, tell


def test_a_message_is_shown_once_on_the_console_or_in_the_log(caplog):
    shown = []
    with caplog.at_level(logging.INFO), shown_by(shown.append):
        tell("Miner", "2 of 3 queries found nothing")
    assert (shown, caplog.messages) == (["Miner: 2 of 3 queries found nothing"], [])
    with caplog.at_level(logging.WARNING):
        tell("Miner", "2 of 3 queries found nothing")
        tell("Miner", "kept all", logging.INFO)
    assert (len(shown), caplog.messages) == (1, ["Miner: 2 of 3 queries found nothing"])


def test_blocks_nest():
    outer, inner = [], []
    with shown_by(outer.append):
        with shown_by(inner.append):
            tell("Miner", "a")
        tell("Miner", "b")
    assert (outer, inner) == (["Miner: b"], ["Miner: a"])
