"""Requests to a language model, and replies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from hardneg_plugin.llm.reasons import CUT_OFF, EMPTY, FILTERED

Finish = Literal["stop", "length", "filtered", "unknown"]


class Message(NamedTuple):
    """One message of a conversation.

    :param role: ``system`` or ``user``.
    :param content: The text.
    """

    role: str
    content: str


@dataclass(frozen=True)
class LLMRequest:
    """One question.

    :param messages: The conversation; what all requests share comes first, so that the server's prefix cache helps.
    :param schema: JSON schema of the answer; None asks for plain text.
    :param max_tokens: Most tokens the answer may have.
    :param about: What is asked about, ``{"query": id, "passages": [ids in the order shown]}``: for replay by pairs and
        for people who read a recording. It changes no answer and is no part of the key.
    :param reader: Returns why an answer is of no use, empty where it is of use; None looks at how it ended.
    """

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 256
    about: Mapping[str, Any] = field(default_factory=dict, compare=False)
    reader: Callable[[LLMReply], str] | None = field(default=None, compare=False, repr=False)

    def fault(self, reply: LLMReply) -> str:
        """Return why an answer is of no use; empty where it is of use.

        :param reply: The raw answer.
        """
        return ended_early(reply) if self.reader is None else self.reader(reply)

    def to_dict(self) -> dict[str, Any]:
        """Return what decides over the answer, as JSON has it."""
        return {
            "messages": [message._asdict() for message in self.messages],
            "schema": None if self.schema is None else dict(self.schema),
            "max_tokens": self.max_tokens,
        }


class TokenLogprob(NamedTuple):
    """A token of the answer.

    :param token: Its text.
    :param logprob: Natural logarithm of its probability.
    :param alternatives: Text → logarithm of the probability of the likeliest tokens in its place, itself included.
    """

    token: str
    logprob: float
    alternatives: Mapping[str, float]


@dataclass(frozen=True)
class LLMReply:
    """A raw answer, unparsed; this is what the cache keeps.

    :param text: What the model wrote.
    :param finish: ``length`` where the answer was cut off, ``filtered`` where a filter held it back, ``unknown`` where
        the server does not say.
    :param prompt_tokens: Tokens of the prompt as the server counted them, cached ones included; None if unknown.
    :param completion_tokens: Tokens of the answer; None if unknown.
    :param seconds: What the server, or else the client, measured for the call.
    :param logprobs: Tokens of the answer with their probabilities; empty where the server gives none.
    """

    text: str
    finish: Finish = "unknown"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    logprobs: tuple[TokenLogprob, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self) | {"logprobs": [[token, logprob, dict(top)] for token, logprob, top in self.logprobs]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LLMReply:
        """Return what :meth:`to_dict` wrote."""
        return cls(**{**data, "logprobs": tuple(TokenLogprob(*entry) for entry in data.get("logprobs", ()))})


def ended_early(reply: LLMReply) -> str:
    """Return the reason not to read an answer: held back, cut off or empty; an empty text where it is whole.

    :param reply: The raw answer.
    """
    if reply.finish == "filtered":
        return FILTERED
    if reply.finish == "length":
        return CUT_OFF
    return "" if reply.text.strip() else EMPTY


class LLMClient(Protocol):
    """A model that can be asked; errors are raised as its library raises them.

    ``identity`` is everything besides the request that decides over an answer, as JSON has it: model, digest of its
    weights, options.
    """

    @property
    def identity(self) -> Mapping[str, Any]:
        """Model, digest and options."""

    def send(self, request: LLMRequest) -> LLMReply:
        """Ask, waiting for the answer."""

    async def send_async(self, request: LLMRequest) -> LLMReply:
        """Ask."""


def request_key(identity: Mapping[str, Any], request: LLMRequest) -> str:
    """Return 64 hex digits that depend on model and request alone; the order of mapping keys does not matter."""
    text = json.dumps([dict(identity), request.to_dict()], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
