"""Explain a model that cannot be loaded, in words that fit this package's own options."""

from __future__ import annotations


def load_failure(error: BaseException) -> str:
    """Return the reason in a line.

    Libraries advise arguments of their own: code of a repository is never run here, and a token is no argument.

    :param error: What the library raised.
    """
    text = str(error).strip() or type(error).__name__
    first = text.splitlines()[0]
    if "trust_remote_code" in text:
        return "it needs code from its repository, which is never run here; take a model of a built-in architecture"
    if "gated repo" in text or "401 Client Error" in text or "token=" in text or "`token`" in text:
        return f"{first.split('pass a token')[0].rstrip(' .;,')}; log in with `hf auth login`, or set HF_TOKEN"
    return first
