"""Read the body of a server's answer; a body without an answer is a retryable fault, whatever its status."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from annotated_types import MinLen
from pydantic import BaseModel, ValidationError

from hardneg_plugin.llm.failures import BrokenAnswerError, words_of

_SHOWN = 120
Form = TypeVar("Form", bound=BaseModel)


class _Top(BaseModel):
    token: str
    logprob: float


class _Token(_Top):
    top_logprobs: list[_Top] | None = None


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Timings(BaseModel):
    prompt_ms: float | None = None
    predicted_ms: float | None = None


class Completion(BaseModel):
    """The parts of an answer in OpenAI's API that are read; other servers leave out much of the rest."""

    choices: Annotated[list[_Choice], MinLen(1)]
    usage: _Usage | None = None
    model: str | None = None
    timings: _Timings | None = None


def json_of(body: bytes) -> Any:
    """Return what a body says.

    :raises BrokenAnswerError: If it is no JSON, or not in UTF-8, with its beginning.
    """
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        msg = f"no JSON in UTF-8: {body[:_SHOWN]!r}" if body else "an empty body"
        raise BrokenAnswerError(msg) from error


def read_answer(body: bytes, form: type[Form]) -> Form:
    """Return an answer.

    :param body: The body of a response that the server calls a success.
    :param form: What the answer must have.
    :raises BrokenAnswerError: If it is none, with the server's own words where it reports an error.
    """
    said = json_of(body)
    if isinstance(said, dict) and said.get("error"):
        raise BrokenAnswerError(words_of(said))
    try:
        return form.model_validate(said)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the body"
        msg = f"{place}: {fault['msg'].lower()}; got {body[:_SHOWN]!r}"
        raise BrokenAnswerError(msg) from error
