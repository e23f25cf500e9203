"""Reasons for a question without an answer or an answer without use, in fixed words that can be counted."""

from __future__ import annotations

NOT_JSON = "not JSON"
WRONG_FORM = "wrong form"
WRONG_IDS = "wrong ids"
CUT_OFF = "cut off"
FILTERED = "filtered"
EMPTY = "empty"
CONTRADICTION = "contradiction"
NO_VERDICT = "no verdict"
NO_PASSAGES = "no passages"
BROKEN_TEXT = "broken characters"
TOO_LONG = "prompt too long"
TIMED_OUT = "timed out"
NO_CONNECTION = "no connection"
UNREADABLE = "unreadable response"
BUSY = "server busy"
# 499 is what Ollama says when a client went away, -1 what its Python client makes of an error in mid-stream.
PASSING_STATUS = frozenset({408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524, -1})


def server_error(status: int) -> str:
    """Return the reason that stands for a status of a server in trouble.

    :param status: One of :data:`PASSING_STATUS`.
    """
    return BUSY if status in (429, 503) else f"server error {status}"


REASONS = frozenset(
    {NOT_JSON, WRONG_FORM, WRONG_IDS, CUT_OFF, FILTERED, EMPTY, CONTRADICTION, NO_VERDICT, NO_PASSAGES, BROKEN_TEXT}
    | {TOO_LONG, TIMED_OUT, NO_CONNECTION, UNREADABLE}
    | {server_error(status) for status in PASSING_STATUS}
)
"""All there are."""
