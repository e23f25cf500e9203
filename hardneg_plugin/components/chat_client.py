"""Any Haystack chat generator as the client that the language-model layer asks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from haystack.core.serialization import component_to_dict
from haystack.dataclasses import ChatMessage

from hardneg_plugin.components import lifecycle
from hardneg_plugin.errors import LLMError, ParameterError
from hardneg_plugin.llm.request import Finish, LLMReply, LLMRequest, TokenLogprob

ABOUT = "hardneg"
"""Key of a message's meta: what is asked about, for generators that replay recorded pairs."""
# They decide where, when and how an answer comes, not which one.
_NO_PART = frozenset(
    {"url", "api_base_url", "api_key", "organization", "timeout", "max_retries", "keep_alive", "http_client_kwargs"}
    | {"streaming_callback"}
)

_ADDRESSES = ("where", "api_base_url", "url")
_LIMITS = ("max_completion_tokens", "max_tokens")
_FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "filtered": "filtered",
    "content_filter": "filtered",
}
_BROKEN_OFF: dict[str, Finish] = {
    "LengthFinishReasonError": "length",
    "ContentFilterFinishReasonError": "filtered",
}


def answer_parameters(generator: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a chat generator's written form that decides over its answers; never a secret.

    :param generator: ``{type, init_parameters}``.
    """
    parameters = generator.get("init_parameters", {})
    kept = {name: value for name, value in parameters.items() if name not in _NO_PART and not _is_secret(value)}
    return {"type": generator.get("type", ""), "init_parameters": kept}


def _is_secret(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("type") in ("env_var", "token")


class ChatClient:
    """Asks a Haystack chat generator; an :class:`~hardneg_plugin.llm.request.LLMClient`.

    Structured output is asked for where the generator can be told call by call: our own for Ollama, and
    ``OpenAIChatGenerator`` for anything that speaks OpenAI's API. Others are configured by whoever makes them; the
    prompt states the form in any case.

    :param chat_generator: The generator.
    :param owner: Name of the component that asks, for messages.
    :raises ParameterError: If it is none.
    """

    def __init__(self, chat_generator: Any, owner: str) -> None:
        run = getattr(chat_generator, "run", None)
        if not callable(run) or "messages" not in inspect.signature(run).parameters:
            name = type(chat_generator).__name__
            msg = f"{owner}: chat_generator must be a Haystack chat generator, got {name}"
            raise ParameterError(msg)
        self.generator, self._owner = chat_generator, owner
        self._identity: dict[str, Any] | None = None

    @property
    def identity(self) -> Mapping[str, Any]:
        """Return what determines answers besides the request; after :meth:`warm_up`, with the digest of the weights."""
        if self._identity is None:
            own = getattr(self.generator, "identity", None)
            self._identity = dict(own()) if callable(own) else self._written()
        return self._identity

    @property
    def model(self) -> str:
        """Name of the model, or of the generator's class where it names none."""
        named = self.identity.get("model")
        return str(named) if named else type(self.generator).__name__

    @property
    def where(self) -> str:
        """Address of the server, as far as the generator tells."""
        return str(next(filter(None, (getattr(self.generator, name, None) for name in _ADDRESSES)), ""))

    def _written(self) -> dict[str, Any]:
        try:
            written = component_to_dict(self.generator, "chat_generator")
        except ValueError:
            # A generator that was given its key as a text cannot be written down; what it asks for can.
            names = [name for name in ("model", "generation_kwargs") if hasattr(self.generator, name)]
            cls = type(self.generator)
            written = {
                "type": f"{cls.__module__}.{cls.__name__}",
                "init_parameters": {name: getattr(self.generator, name) for name in names},
            }
        kept = answer_parameters(written)
        model = kept["init_parameters"].get("model")
        return {**kept, **({"model": model} if isinstance(model, str) else {})}

    def warm_up(self) -> None:
        """Warm up the generator."""
        lifecycle.warm_up(self.generator)

    async def warm_up_async(self) -> None:
        """Warm up the generator."""
        await lifecycle.warm_up_async(self.generator)

    def close(self) -> None:
        """Release what the generator holds."""
        lifecycle.close(self.generator)

    async def close_async(self) -> None:
        """Release what the generator holds."""
        await lifecycle.close_async(self.generator)

    def send(self, request: LLMRequest) -> LLMReply:
        """Ask and wait.

        :raises LLMError: If the generator breaks Haystack's protocol; its own errors come through.
        """
        try:
            result = self.generator.run(**self._question(request))
        except Exception as error:
            if (reply := _broken_off(error)) is not None:
                return reply
            raise
        return self._reply(result)

    async def send_async(self, request: LLMRequest) -> LLMReply:
        """Ask; a generator without ``run_async`` is asked in a thread.

        :raises LLMError: If the generator breaks Haystack's protocol; its own errors come through.
        """
        try:
            result = await lifecycle.run_async(self.generator, **self._question(request))
        except Exception as error:
            if (reply := _broken_off(error)) is not None:
                return reply
            raise
        return self._reply(result)

    def _question(self, request: LLMRequest) -> dict[str, Any]:
        *before, last = request.messages
        messages = [_message(message.role, message.content, {}) for message in before]
        messages.append(_message(last.role, last.content, {ABOUT: dict(request.about)}))
        return {"messages": messages, **_structure(self.generator, request)}

    def _reply(self, result: Any) -> LLMReply:
        replies = result.get("replies") if isinstance(result, Mapping) else None
        if not isinstance(replies, list) or not all(isinstance(reply, ChatMessage) for reply in replies):
            name = type(self.generator).__name__
            msg = f"{self._owner}: {name} must answer with a list of messages, got {result!r:.200}"
            raise LLMError(msg)
        if not replies:
            return LLMReply("")
        meta = replies[0].meta
        usage = meta.get("usage") or {}
        return LLMReply(
            text=replies[0].text or "",
            finish=_finish(meta),
            prompt_tokens=_whole(usage.get("prompt_tokens")),
            completion_tokens=_whole(usage.get("completion_tokens")),
            seconds=_seconds(meta),
            logprobs=_logprobs(meta.get("logprobs")),
        )


def _message(role: str, text: str, meta: dict[str, Any]) -> ChatMessage:
    if role == "system":
        return ChatMessage.from_system(text, meta=meta)
    return ChatMessage.from_user(text, meta=meta)


def _structure(generator: Any, request: LLMRequest) -> dict[str, Any]:
    """Return the arguments by which a generator is told the form and the length of this answer."""
    if getattr(generator, "takes_response_format", False):
        return {"response_format": request.schema, "generation_kwargs": {"num_predict": request.max_tokens}}
    if any(cls.__name__ == "OpenAIChatGenerator" for cls in type(generator).__mro__):
        schema = {"name": "answer", "schema": request.schema, "strict": True}
        form = {} if request.schema is None else {"response_format": {"type": "json_schema", "json_schema": schema}}
        options = {**form, "max_completion_tokens": request.max_tokens}
        if getattr(generator, "api_base_url", None):
            # Servers of others may know the older name alone.
            options["max_tokens"] = request.max_tokens
        # What the user gave the generator counts.
        given = getattr(generator, "generation_kwargs", None) or {}
        limited = _LIMITS if set(_LIMITS) & set(given) else ()
        return {"generation_kwargs": {name: options[name] for name in options if name not in {*given, *limited}}}
    return {}


def _broken_off(error: Exception) -> LLMReply | None:
    """Return the answer that an error stands for; None where it stands for none.

    OpenAI's client raises where an answer to be parsed was cut off or held back.
    """
    finish: Finish | None = _BROKEN_OFF.get(type(error).__name__)
    if finish is None:
        return None
    completion = getattr(error, "completion", None)
    choices, usage = getattr(completion, "choices", None), getattr(completion, "usage", None)
    return LLMReply(
        text=(choices[0].message.content or "") if choices else "",
        finish=finish,
        prompt_tokens=_whole(getattr(usage, "prompt_tokens", None)),
        completion_tokens=_whole(getattr(usage, "completion_tokens", None)),
    )


def _finish(meta: Mapping[str, Any]) -> Finish:
    return _FINISHES.get(str(meta.get("finish_reason")), "unknown")


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(meta: Mapping[str, Any]) -> float | None:
    # Ollama counts in nanoseconds.
    nanoseconds = meta.get("total_duration")
    return nanoseconds / 1e9 if isinstance(nanoseconds, int | float) else None


def _logprobs(value: Any) -> tuple[TokenLogprob, ...]:
    """Return the tokens of an answer, from Ollama's list or from OpenAI's object around one."""
    entries: Sequence[Any] = (value.get("content") or ()) if isinstance(value, Mapping) else (value or ())
    return tuple(
        TokenLogprob(
            str(entry["token"]),
            float(entry["logprob"]),
            {str(top["token"]): float(top["logprob"]) for top in entry.get("top_logprobs") or ()},
        )
        for entry in entries
    )
