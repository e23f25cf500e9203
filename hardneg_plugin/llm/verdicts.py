"""Verdicts on candidates: what a judge may answer, and reading it strictly.

An answer that is not exactly what was asked for is no verdict: the candidates are ``undecided``, with a reason out of a
few, and nothing is made up in its place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from hardneg_plugin.llm.label_odds import label_probabilities
from hardneg_plugin.llm.reasons import CONTRADICTION, NO_VERDICT, NOT_JSON, WRONG_FORM, WRONG_IDS
from hardneg_plugin.llm.request import LLMReply, TokenLogprob, ended_early

FALSE_NEGATIVE, HARD_NEGATIVE, EASY_NEGATIVE, UNDECIDED = LABELS = (
    "false_negative",
    "hard_negative",
    "easy_negative",
    "undecided",
)
DECIDED = LABELS[:3]
# A hardness that contradicts its label: the reference's bands are 70-100 for hard and 0-30 for easy negatives.
_EASY_BELOW, _HARD_ABOVE = 70, 30


class Judgement(NamedTuple):
    """A judge's verdict on one candidate.

    :param label: One of :data:`LABELS`.
    :param hardness: 0 to 100, as the judge says it; None without a verdict.
    :param probability: Probability of ``false_negative`` among the labels, from the log-probabilities of the answer, or
        a bound of it; None where the server gives none.
    :param reason: Why it is undecided; empty where it is not.
    """

    label: str
    hardness: int | None = None
    probability: float | None = None
    reason: str = ""


def undecided(reason: str) -> Judgement:
    """Return an empty judgement (no verdict)."""
    return Judgement(UNDECIDED, reason=reason)


def read_pointwise(reply: LLMReply) -> Judgement:
    """Read ``{"label": "hard_negative", "hardness": 85}``.

    :param reply: The raw answer.
    """
    answer, reason = _parsed(reply)
    if reason:
        return undecided(reason)
    judgement = _judgement(answer, ("label", "hardness"))
    # What contradicts itself is undecided, but the labels were weighed all the same.
    if judgement.label == UNDECIDED and judgement.reason != CONTRADICTION:
        return judgement
    return judgement._replace(probability=label_probability(reply.logprobs, FALSE_NEGATIVE))


def read_listwise(reply: LLMReply, count: int) -> list[Judgement]:
    """Read ``{"verdicts": [{"id": 1, "label": "hard_negative", "hardness": 85}, …]}``.

    An answer whose ids are not exactly 1 to ``count``, each once, says nothing of any candidate: which passage a
    verdict belongs to is then a guess.

    :param reply: The raw answer.
    :param count: Candidates that were shown.
    :returns: One judgement per candidate, in the order in which they were shown.
    """
    answer, reason = _parsed(reply)
    if reason:
        return [undecided(reason)] * count
    verdicts = answer.get("verdicts") if isinstance(answer, dict) and answer.keys() == {"verdicts"} else None
    if not isinstance(verdicts, list) or not all(isinstance(verdict, dict) for verdict in verdicts):
        return [undecided(WRONG_FORM)] * count
    ids = [verdict.get("id") for verdict in verdicts]
    if not all(_is_whole(identifier) for identifier in ids):
        return [undecided(WRONG_FORM)] * count
    if sorted(ids) != list(range(1, count + 1)):
        return [undecided(WRONG_IDS)] * count
    odds = label_probabilities(reply.logprobs, DECIDED, FALSE_NEGATIVE)
    # They come in the order of the answer; where they are not as many as the verdicts, whose they are is a guess.
    odds = odds if len(odds) == count else [None] * count
    by_id = {
        verdict["id"]: _judgement(verdict, ("id", "label", "hardness"), probability)
        for verdict, probability in zip(verdicts, odds, strict=True)
    }
    return [by_id[number] for number in range(1, count + 1)]


def whole_fault(judgements: Sequence[Judgement]) -> str:
    """Return why an answer says nothing of any candidate; empty where it says something of one.

    A contradiction, and a judge that gives no verdict, were read: asked again, they would say the same.

    :param judgements: What was read of the answer.
    """
    reasons = {judgement.reason for judgement in judgements}
    (reason, *others) = reasons or {""}
    return "" if others or reason in (CONTRADICTION, NO_VERDICT) else reason


def _parsed(reply: LLMReply) -> tuple[Any, str]:
    """Return the parsed answer, or the reason why it is unreadable."""
    try:
        answer = json.loads(reply.text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        return None, ended_early(reply) or NOT_JSON
    # Valid JSON that was cut off behind its end is whole.
    return answer, ""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        msg = "a key occurs twice"
        raise ValueError(msg)
    return dict(pairs)


def _judgement(verdict: Any, keys: Sequence[str], probability: float | None = None) -> Judgement:
    if not isinstance(verdict, dict) or verdict.keys() != set(keys):
        return undecided(WRONG_FORM)
    label, hardness = verdict["label"], verdict["hardness"]
    if label == UNDECIDED:
        return undecided(NO_VERDICT)
    if label not in DECIDED or not _is_whole(hardness) or not 0 <= hardness <= 100:
        return undecided(WRONG_FORM)
    if (label == EASY_NEGATIVE and hardness >= _EASY_BELOW) or (label == HARD_NEGATIVE and hardness <= _HARD_ABOVE):
        return Judgement(UNDECIDED, probability=probability, reason=CONTRADICTION)
    return Judgement(label, hardness, probability)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def label_probability(logprobs: Sequence[TokenLogprob], label: str) -> float | None:
    """Return the probability of a label among all labels, from the tokens of an answer with one label.

    :param logprobs: Tokens of the answer with the likeliest alternatives of each.
    :param label: One of :data:`DECIDED`.
    :returns: From 0 to 1; None where the tokens do not tell.
    """
    odds = label_probabilities(logprobs, DECIDED, label)
    return odds[0] if odds else None


def answer_of(judgements: Sequence[tuple[str, int]], form: str) -> str:
    """Write an answer as a judge would: for replay, and for tests.

    :param judgements: Label and hardness of each candidate, in the order in which they were shown.
    :param form: ``pointwise`` or ``listwise``.
    """
    if form == "pointwise":
        ((label, hardness),) = judgements
        return json.dumps({"label": label, "hardness": hardness})
    verdicts = [
        {"id": number, "label": label, "hardness": hardness} for number, (label, hardness) in enumerate(judgements, 1)
    ]
    return json.dumps({"verdicts": verdicts})
