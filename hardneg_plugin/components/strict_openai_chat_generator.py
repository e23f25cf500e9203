"""Servers that speak OpenAI's API, for judging: the form of each answer, and no answer that ends a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Le
from haystack import component, default_from_dict, default_to_dict
from haystack.components.generators.chat.openai import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret

from hardneg_plugin.components.answer_body import Completion, read_answer
from hardneg_plugin.components.bounded_http import client_arguments
from hardneg_plugin.components.served_model import ServedModel, find_served, server_address
from hardneg_plugin.components.strict_chat_generator import PromptTooLongError, StrictChatGenerator, plain
from hardneg_plugin.components.thinking import UNSET, Thinking, limit_of
from hardneg_plugin.errors import LLMError
from hardneg_plugin.llm.deadline import within
from hardneg_plugin.llm.token_count import fewest_tokens
from hardneg_plugin.validation import Count, NotNegative

_NAME = "StrictOpenAIChatGenerator"
_KEY = Secret.from_env_var("OPENAI_API_KEY", strict=False)
# What a client sends that has no key: local servers read none.
_NO_KEY = "none"
_LIMITS = ("max_completion_tokens", "max_tokens")


@component
class StrictOpenAIChatGenerator(StrictChatGenerator, OpenAIChatGenerator):
    """An ``OpenAIChatGenerator`` for questions whose answers are data, and for any server that speaks OpenAI's API.

    Beyond its parent it needs no key for a local server, takes the JSON schema of an answer call by call, and returns
    an answer that was cut off or held back as one that was, where its parent raises. It names the model that the server
    really has (:meth:`identity`), and states the length of an answer by both names that servers know. Temperature is 0,
    and nothing is tried again: the layer that asks does so.

    ### Usage example

    ```python
    from hardneg_plugin import LLMNegativeClassifier, StrictOpenAIChatGenerator

    server = StrictOpenAIChatGenerator("Qwen/Qwen3-8B", api_base_url="http://127.0.0.1:8000/v1")
    judge = LLMNegativeClassifier(chat_generator=server)
    ```

    :param model: Name of the model, as ``/v1/models`` shows it.
    :param api_base_url: Address of the server, with ``/v1``; None takes ``OPENAI_BASE_URL``, else OpenAI's own.
    :param api_key: Key, from the environment; a server that reads none needs none.
    :param timeout: Seconds until the whole answer is here, the server's queue included.
    :param seed: Seed of the model.
    :param logprobs: Likeliest tokens whose log-probabilities are asked for, 0 to 20.
    :param max_tokens: Most tokens of an answer, in place of what each question takes.
    :param think: ``unset`` leaves thinking to the server, ``true``, ``false`` and a level (``low`` …) tell it.
    :param generation_kwargs: Further options, the same for all calls; they count before all others.
    :raises ParameterError: If a parameter is out of range or the address is none.
    """

    _served: ServedModel | None = None

    def __init__(
        self,
        model: str = "gpt-5-mini",
        api_base_url: str | None = None,
        api_key: Secret = _KEY,
        timeout: NotNegative = 300.0,
        seed: int = 42,
        logprobs: Annotated[int, Ge(0), Le(20)] = 0,
        max_tokens: Count | None = None,
        think: Thinking = UNSET,
        generation_kwargs: dict[str, Any] | None = None,
    ) -> None:
        # By name: Haystack makes a new class of the decorated one, which a bare super() does not know.
        OpenAIChatGenerator.__init__(
            self,
            api_key=api_key,
            model=model,
            api_base_url=api_base_url,
            timeout=timeout,
            max_retries=0,
            generation_kwargs=generation_kwargs,
        )
        self.seed = seed
        self.logprobs = logprobs
        self.max_tokens = max_tokens
        self.think = think
        self._address = server_address(_NAME, api_base_url)

    @property
    def where(self) -> str:
        """Address of the server."""
        return self._address.url

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads."""
        names = ("model", "api_base_url", "timeout", "seed", "logprobs", "max_tokens", "think", "generation_kwargs")
        written = {name: getattr(self, name) for name in names}
        return default_to_dict(self, **written, api_key=self.api_key.to_dict())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> StrictOpenAIChatGenerator:
        """Build it from what :meth:`to_dict` wrote."""
        built: StrictOpenAIChatGenerator = default_from_dict(cls, data)
        return built

    def warm_up(self) -> None:
        """Find the server and the model.

        :raises LLMError: If the server does not answer, or needs a key that is not there.
        """
        if self.client is None:
            from openai import DefaultHttpxClient, OpenAI

            http = DefaultHttpxClient(**client_arguments(DefaultHttpxClient))
            self.client = OpenAI(**self._arguments(), http_client=http)
        if self._served is None:
            with within(self._seconds):
                self._served = find_served(self.client, self.model, self._address)

    def _arguments(self) -> dict[str, Any]:
        key = self.api_key.resolve_value()
        if not key and self._address.is_openai:
            msg = f"{self.where} needs a key: put it into OPENAI_API_KEY, or give the url of a server of your own"
            raise LLMError(msg)
        return {
            "api_key": key or _NO_KEY,
            "base_url": self.where,
            # The limit of the whole answer is kept where its bytes come in.
            "timeout": None,
            "max_retries": 0,
        }

    def identity(self) -> dict[str, Any]:
        """Return what decides over answers besides the request: what the server says of the model, and options."""
        served = {} if self._served is None else self._served.facts
        return {
            "model": self.model,
            "served": served,
            "options": {**self._options({}), "think": self.think, "max_tokens": self.max_tokens},
            "logprobs": self.logprobs,
        }

    def _options(self, more: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(self.generation_kwargs)
        given.update(given.pop("extra_body", {}))
        fixed: dict[str, Any] = {"temperature": 0, "seed": self.seed, **self._thinking()}
        if self.logprobs:
            fixed |= {"logprobs": True, "top_logprobs": self.logprobs}
        own = next((given[name] for name in _LIMITS if name in given), None)
        limit = own or limit_of(self.max_tokens, more.get("num_predict"), self.think if self.think != UNSET else None)
        if limit is not None:
            # OpenAI's newer models refuse the older name, other servers know that one alone.
            fixed |= dict.fromkeys(_LIMITS[:1] if self._address.is_openai else _LIMITS, limit)
        return {**fixed, **given}

    def _thinking(self) -> dict[str, Any]:
        if self.think == UNSET:
            return {}
        effort: dict[str, Any] = {} if self.think is True else {"reasoning_effort": self.think or "none"}
        if self._address.is_openai:
            return effort
        return {**effort, "chat_template_kwargs": {"enable_thinking": self.think is not False}}

    @component.output_types(replies=list[ChatMessage])
    def run(  # type: ignore[override] # no tools and no stream: an answer is data
        self,
        messages: list[ChatMessage],
        generation_kwargs: dict[str, Any] | None = None,
        response_format: dict[str, Any] | None = None,
    ) -> dict[str, list[ChatMessage]]:
        """Ask.

        :param messages: The conversation.
        :param generation_kwargs: ``num_predict``, most tokens of this answer.
        :param response_format: JSON schema of the answer.
        :returns: ``replies``: one message, its meta with ``finish_reason``, ``usage`` and ``logprobs``.
        :raises PromptTooLongError: If the server cut the prompt.
        """
        self.warm_up()
        assert self.client is not None
        question = self._question(messages, generation_kwargs, response_format)
        with within(self._seconds):
            response = self.client.chat.completions.with_raw_response.create(**question)
        return self._answer(messages, read_answer(response.content, Completion))

    @component.output_types(replies=list[ChatMessage])
    async def run_async(  # type: ignore[override]
        self,
        messages: list[ChatMessage],
        generation_kwargs: dict[str, Any] | None = None,
        response_format: dict[str, Any] | None = None,
    ) -> dict[str, list[ChatMessage]]:
        """Ask without blocking the event loop.

        :param messages: The conversation.
        :param generation_kwargs: ``num_predict``, most tokens of this answer.
        :param response_format: JSON schema of the answer.
        :returns: As :meth:`run`.
        :raises PromptTooLongError: If the server cut the prompt.
        """
        await self.warm_up_async()
        question = self._question(messages, generation_kwargs, response_format)
        with within(self._seconds):
            response = await self._client_of_loop().chat.completions.with_raw_response.create(**question)
        return self._answer(messages, read_answer(response.content, Completion))

    def _client_for_loop(self) -> Any:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        http = DefaultAsyncHttpxClient(**client_arguments(DefaultAsyncHttpxClient))
        return AsyncOpenAI(**self._arguments(), http_client=http)

    def _question(
        self, messages: list[ChatMessage], more: Mapping[str, Any] | None, form: dict[str, Any] | None
    ) -> dict[str, Any]:
        options = self._options(more or {})
        if form is not None:
            schema = {"name": "answer", "schema": form, "strict": True}
            options = {"response_format": {"type": "json_schema", "json_schema": schema}, **options}
        written = [{"role": str(message.role.value), "content": message.text or ""} for message in messages]
        # In the body of the request as they are: the client's own list of options is OpenAI's.
        return {"model": self.model, "messages": written, "extra_body": options}

    def _answer(self, messages: list[ChatMessage], completion: Completion) -> dict[str, list[ChatMessage]]:
        choice, usage = completion.choices[0], completion.usage
        read, written = (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)
        context = self._served.context if self._served else None
        if read is not None and read < fewest_tokens(plain(messages)):
            msg = f"the prompt was cut by the server: it read {read} tokens"
            raise PromptTooLongError(msg)
        if context is not None and (read or 0) + (written or 0) > context:
            msg = f"the prompt was cut by the server in mid-answer: {read} and {written} tokens in {context}"
            raise PromptTooLongError(msg)
        meta: dict[str, Any] = {
            "model": completion.model,
            "finish_reason": choice.finish_reason,
            "usage": {"prompt_tokens": read, "completion_tokens": written},
            "logprobs": choice.logprobs.model_dump() if choice.logprobs else None,
        }
        # llama.cpp says how long it worked, without the time in its queue.
        worked = completion.timings
        if worked is not None and worked.prompt_ms is not None and worked.predicted_ms is not None:
            meta["total_duration"] = int((worked.prompt_ms + worked.predicted_ms) * 1e6)
        return {"replies": [ChatMessage.from_assistant(choice.message.content or "", meta=meta)]}
