"""Probabilities of labels from the log-probabilities of an answer's tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import regex

from hardneg_plugin.llm.request import TokenLogprob

_KEY = '"label"'
# What stands behind the key: the letters of the label so far, and the quote that ends it.
_VALUE = regex.compile(r'\s*:\s*"(\w*"?)')


def label_probabilities(logprobs: Sequence[TokenLogprob], labels: Sequence[str], wanted: str) -> list[float | None]:
    """Return the probability of a label among all labels, for each place of an answer where one was written.

    It is read at the token with which the labels part. Each alternative there that begins exactly one label counts for
    that label. Servers give the distribution before the form of the answer is enforced, and its likeliest tokens alone:
    a label that is not among them has at most the probability of the last one, and at most what is left over. Where a
    label is missing, what is returned is a bound: the highest that a missing one can have, the lowest of one that is
    there.

    :param logprobs: Tokens of the answer with the likeliest alternatives of each.
    :param labels: All labels.
    :param wanted: One of them.
    :returns: From 0 to 1 each; None where the tokens do not tell.
    """
    found: list[float | None] = []
    text = ""
    for token in logprobs:
        if len(_possible(text, labels)) != 1 and len(_possible(text + token.token, labels)) == 1:
            found.append(_share(text, token, labels, wanted))
        text += token.token
    return found


def _possible(text: str, labels: Sequence[str]) -> list[str]:
    """Return the labels that the last label of a text can still become, or is; none where none has begun."""
    before, _, behind = text.rpartition(_KEY)
    value = _VALUE.match(behind) if behind or before else None
    return [] if value is None else [label for label in labels if f'{label}"'.startswith(value.group(1))]


def _share(text: str, token: TokenLogprob, labels: Sequence[str], wanted: str) -> float | None:
    listed = {other: math.exp(logprob) for other, logprob in token.alternatives.items()}
    weights = _weights(text, {token.token: math.exp(token.logprob), **listed}, labels)
    missing = [label for label in labels if label not in weights]
    left = max(1.0 - sum(({token.token: math.exp(token.logprob)} | listed).values()), 0.0)
    each = min(min(listed.values(), default=1.0), left)
    weight, together = weights.get(wanted, each), sum(weights.values())
    others = together + each if wanted in missing else together + min(each * len(missing), left)
    return weight / others if others > 0 else None


def _weights(text: str, alternatives: Mapping[str, float], labels: Sequence[str]) -> dict[str, float]:
    """Return label → probability of the alternatives that begin it and no other."""
    weights: dict[str, float] = {}
    for token, probability in alternatives.items():
        meant = _possible(text + token, labels)
        if len(meant) == 1:
            weights[meant[0]] = weights.get(meant[0], 0.0) + probability
    return weights
