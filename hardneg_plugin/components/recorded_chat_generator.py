"""Answers from a file, so that an experiment can be repeated without its language model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import xxhash
from haystack import component
from haystack.dataclasses import ChatMessage

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.components.chat_client import ABOUT
from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.errors import DatasetError, LLMError
from hardneg_plugin.files import atomic_path
from hardneg_plugin.llm.recording import read_lines, recorded_of
from hardneg_plugin.llm.request import LLMReply, Message
from hardneg_plugin.llm.verdicts import DECIDED, UNDECIDED, answer_of

OnUnknown = Literal["error", "undecided"]


class _Pair(NamedTuple):
    label: str
    hardness: int


@component
class RecordedChatGenerator(CheckedParameters):
    """A chat generator that answers from a recording.

    The file has JSON lines of one or both of these kinds:

    - recorded answers, as ``hardneg run --record FILE`` writes them: they answer requests of the same messages, schema
      and length, whatever model was asked;
    - verdicts on pairs, ``{"query": id, "passage": id, "label": "hard_negative", "hardness": 80}``: they answer the
      questions of ``LLMNegativeClassifier`` about these ids, whatever the prompt says.

    ### Usage example

    ```python
    from hardneg_plugin import LLMNegativeClassifier, RecordedChatGenerator

    judge = LLMNegativeClassifier(chat_generator=RecordedChatGenerator("verdicts.jsonl", on_unknown="undecided"))
    ```

    :param path: The file.
    :param on_unknown: What a question is that the file has no answer to: an ``error``, or ``undecided`` (a pair without
        a verdict; where the question names no pairs, an empty answer).
    :param model: Name of the judge that gave the answers.
    """

    takes_response_format = True

    def __init__(self, path: str, on_unknown: OnUnknown = "error", model: str = "recorded") -> None:
        self.path = path
        self.on_unknown = on_unknown
        self.model = model
        self._replies: dict[str, LLMReply] | None = None
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self._content = ""

    def warm_up(self) -> None:
        """Read the file.

        :raises DatasetError: If it is missing or a line is neither of the two kinds, with its number.
        """
        if self._replies is not None:
            return
        path, replies = Path(self.path), {}
        for number, line in read_lines(path):
            if "passage" in line:
                self._add_pair(path, number, line)
            else:
                recorded = recorded_of(path, number, line)
                replies[fingerprint(recorded.request)] = recorded.reply
        self._content = xxhash.xxh3_128_hexdigest(path.read_bytes())
        self._replies = replies

    def _add_pair(self, path: Path, number: int, line: Mapping[str, Any]) -> None:
        label, hardness = line.get("label"), line.get("hardness", 50)
        query, passage = line.get("query"), line["passage"]
        if not isinstance(query, str) or not isinstance(passage, str):
            msg = f"{path}:{number}: expected the ids of a query and a passage as texts, got {query!r} and {passage!r}"
            raise DatasetError(msg)
        if label not in DECIDED or not isinstance(hardness, int) or not 0 <= hardness <= 100:
            labels = ", ".join(DECIDED)
            msg = f"{path}:{number}: expected a label ({labels}) and a hardness of 0 to 100, got {line!r:.200}"
            raise DatasetError(msg)
        known = self._pairs.setdefault((query, passage), _Pair(label, hardness))
        if known != (label, hardness):
            msg = f"{path}:{number}: another verdict on query {query!r} and passage {passage!r} stands before it"
            raise DatasetError(msg)

    def identity(self) -> dict[str, Any]:
        """Return what decides over answers besides the request: the judge's name and the file's content."""
        self.warm_up()
        return {"model": self.model, "recording": self._content, "on_unknown": self.on_unknown}

    @component.output_types(replies=list[ChatMessage])
    def run(
        self,
        messages: list[ChatMessage],
        generation_kwargs: dict[str, Any] | None = None,
        response_format: dict[str, Any] | None = None,
    ) -> dict[str, list[ChatMessage]]:
        """Answer.

        :param messages: The conversation; the last message's meta says which pairs it is about.
        :param generation_kwargs: ``num_predict``, most tokens of the answer, which a recorded request is known by.
        :param response_format: JSON schema of the answer, likewise.
        :returns: ``replies``: one message.
        :raises LLMError: If the file has no answer and unknown ones are errors.
        """
        self.warm_up()
        reply = self._recorded(messages, generation_kwargs, response_format) or self._of_pairs(messages)
        usage = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens}
        logprobs = [
            {
                "token": token,
                "logprob": logprob,
                "top_logprobs": [{"token": other, "logprob": value} for other, value in top.items()],
            }
            for token, logprob, top in reply.logprobs
        ]
        # A replay takes no time; the recorded seconds were those of another machine.
        meta = {"model": self.model, "finish_reason": reply.finish, "usage": usage, "logprobs": logprobs}
        return {"replies": [ChatMessage.from_assistant(reply.text, meta={**meta, "total_duration": 0})]}

    @component.output_types(replies=list[ChatMessage])
    async def run_async(
        self,
        messages: list[ChatMessage],
        generation_kwargs: dict[str, Any] | None = None,
        response_format: dict[str, Any] | None = None,
    ) -> dict[str, list[ChatMessage]]:
        """Answer; see :meth:`run`."""
        return self.run(messages, generation_kwargs, response_format)

    def _recorded(
        self, messages: list[ChatMessage], options: Mapping[str, Any] | None, form: dict[str, Any] | None
    ) -> LLMReply | None:
        assert self._replies is not None
        asked = [Message(str(message.role.value), message.text or "")._asdict() for message in messages]
        request = {"messages": asked, "schema": form, "max_tokens": (options or {}).get("num_predict")}
        return self._replies.get(fingerprint(request))

    def _of_pairs(self, messages: list[ChatMessage]) -> LLMReply:
        about = messages[-1].meta.get(ABOUT) or {}
        query, passages, form = about.get("query"), about.get("passages") or (), about.get("form")
        verdicts = [self._pairs.get((str(query), str(passage))) for passage in passages] if form else []
        unknown = [passage for passage, verdict in zip(passages, verdicts, strict=bool(form)) if verdict is None]
        if self.on_unknown == "error" and (unknown or not verdicts):
            pairs = f" and passage {unknown[0]!r}" if unknown else ""
            msg = f"{self.path}: no recorded answer about query {query!r}{pairs}"
            raise LLMError(msg)
        if not verdicts:
            return LLMReply("", finish="stop")
        return LLMReply(answer_of([verdict or (UNDECIDED, 0) for verdict in verdicts], str(form)), finish="stop")


def pairs_file(path: Path, pairs: Mapping[tuple[str, str], tuple[str, int]]) -> None:
    """Write verdicts on pairs in the form that :class:`RecordedChatGenerator` reads.

    :param path: The file.
    :param pairs: Query id and passage id → label and hardness, 0 to 100.
    """
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8") as file:
        for (query, passage), (label, hardness) in pairs.items():
            line = {"query": query, "passage": passage, "label": label, "hardness": hardness}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
