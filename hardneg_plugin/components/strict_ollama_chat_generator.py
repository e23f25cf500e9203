"""Ollama for judging: the form of each answer, its log-probabilities, the model's digest, and no cut prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Le
from haystack import component, default_from_dict, default_to_dict
from haystack.dataclasses import ChatMessage
from haystack_integrations.components.generators.ollama import OllamaChatGenerator

from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.errors import LLMError
from hardneg_plugin.llm.request import Message
from hardneg_plugin.llm.token_count import fewest_tokens, was_cut
from hardneg_plugin.validation import Count, NotNegative

_NAME = "StrictOllamaChatGenerator"
_CONNECT_SECONDS = 5.0


class PromptTooLongError(ValueError):
    """A prompt that does not fit, or that the server cut without saying so."""

    status_code = 400


@component
class StrictOllamaChatGenerator(CheckedParameters, OllamaChatGenerator):
    """An ``OllamaChatGenerator`` for questions whose answers are data.

    Beyond its parent it takes the JSON schema of an answer call by call, gives log-probabilities, says when an answer
    was cut off, names the weights it asked (:meth:`identity`), and refuses a prompt that is too long, where Ollama cuts
    its middle out and answers all the same. Thinking is off, temperature is 0, and nothing is tried again: the layer
    that asks does so.

    ### Usage example

    ```python
    from hardneg_plugin import LLMNegativeClassifier, StrictOllamaChatGenerator

    judge = LLMNegativeClassifier(chat_generator=StrictOllamaChatGenerator("llama3.1:8b", logprobs=5))
    ```

    :param model: Name of the model, as ``ollama list`` shows it.
    :param url: Address of the server; None takes ``OLLAMA_HOST``, else this machine's port 11434.
    :param num_ctx: Tokens of prompt and answer together. Another value makes the server load the model again.
    :param timeout: Seconds to wait for an answer, the server's queue included.
    :param seed: Seed of the model.
    :param logprobs: Likeliest tokens whose log-probabilities are asked for, 0 to 20.
    :param keep_alive: How long the server keeps the model loaded after a call.
    :param generation_kwargs: Further options of Ollama, the same for all calls.
    :raises ParameterError: If a number is out of range.
    """

    takes_response_format = True

    def __init__(
        self,
        model: str = "llama3.1:8b",
        url: str | None = None,
        num_ctx: Count = 4096,
        timeout: NotNegative = 300.0,
        seed: int = 42,
        logprobs: Annotated[int, Ge(0), Le(20)] = 0,
        keep_alive: str = "30m",
        generation_kwargs: dict[str, Any] | None = None,
    ) -> None:
        # By name: Haystack makes a new class of the decorated one, which a bare super() does not know.
        OllamaChatGenerator.__init__(self, model=model, keep_alive=keep_alive, think=False)
        self.url = url  # type: ignore[assignment]
        self.timeout = timeout  # type: ignore[assignment]
        self.num_ctx = num_ctx
        self.seed = seed
        self.logprobs = logprobs
        self.generation_kwargs = generation_kwargs  # type: ignore[assignment]
        self._digest = ""
        self._of_loop: tuple[asyncio.AbstractEventLoop, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads."""
        names = ("model", "url", "num_ctx", "timeout", "seed", "logprobs", "keep_alive", "generation_kwargs")
        return default_to_dict(self, **{name: getattr(self, name) for name in names})

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> StrictOllamaChatGenerator:
        """Build it from what :meth:`to_dict` wrote."""
        built: StrictOllamaChatGenerator = default_from_dict(cls, data)
        return built

    def warm_up(self) -> None:
        """Find the server and the model.

        :raises LLMError: If the server does not answer, or has no such model.
        """
        if self._client is None:
            from ollama import Client

            self._client = Client(host=self.url, timeout=self._timeouts())
        if not self._digest:
            self._find(self._client)

    async def warm_up_async(self) -> None:
        """Find the server and the model; the check itself is one short call that waits.

        :raises LLMError: If the server does not answer, or has no such model.
        """
        if not self._digest:
            await asyncio.to_thread(self.warm_up)

    def _timeouts(self) -> Any:
        import httpx

        return httpx.Timeout(self.timeout, connect=_CONNECT_SECONDS)

    def _find(self, client: Any) -> None:
        from ollama import ResponseError

        where = str(client._client.base_url)
        try:
            models = {model.model: model.digest for model in client.list().models}
        except ConnectionError as error:
            msg = f"no Ollama server at {where}: start it with `ollama serve`, or give its url"
            raise LLMError(msg) from error
        except (ResponseError, ValueError, AttributeError) as error:
            msg = f"the server at {where} does not answer as Ollama does ({str(error)[:200]}): check the url"
            raise LLMError(msg) from error
        # A name without a tag means the tag "latest".
        full = self.model if ":" in self.model else f"{self.model}:latest"
        if full not in models:
            known = ", ".join(sorted(filter(None, models))) or "none"
            msg = f"Ollama at {where} has no model {self.model!r}: `ollama pull {self.model}` (it has: {known})"
            raise LLMError(msg)
        self._digest = models[full] or ""

    def identity(self) -> dict[str, Any]:
        """Return what decides over answers besides the request: model, digest of its weights, and options."""
        return {
            "model": self.model,
            "digest": self._digest,
            "options": self._options({}),
            "logprobs": self.logprobs,
        }

    def _options(self, more: Mapping[str, Any]) -> dict[str, Any]:
        fixed = {"temperature": 0, "seed": self.seed, "num_ctx": self.num_ctx}
        return {**fixed, **(self.generation_kwargs or {}), **more}

    @component.output_types(replies=list[ChatMessage])
    def run(  # type: ignore[override] # no tools and no stream: an answer is data
        self,
        messages: list[ChatMessage],
        generation_kwargs: dict[str, Any] | None = None,
        response_format: dict[str, Any] | None = None,
    ) -> dict[str, list[ChatMessage]]:
        """Ask.

        :param messages: The conversation.
        :param generation_kwargs: Options of this call.
        :param response_format: JSON schema of the answer.
        :returns: ``replies``: one message, its meta with ``finish_reason``, ``usage``, ``total_duration`` (nanoseconds)
            and ``logprobs``.
        :raises PromptTooLongError: If the prompt does not fit, or the server cut it.
        """
        self.warm_up()
        assert self._client is not None
        question = self._question(messages, generation_kwargs, response_format)
        return self._answer(messages, self._client.chat(**question))

    @component.output_types(replies=list[ChatMessage])
    async def run_async(  # type: ignore[override]
        self,
        messages: list[ChatMessage],
        generation_kwargs: dict[str, Any] | None = None,
        response_format: dict[str, Any] | None = None,
    ) -> dict[str, list[ChatMessage]]:
        """Ask without blocking the event loop.

        :param messages: The conversation.
        :param generation_kwargs: Options of this call.
        :param response_format: JSON schema of the answer.
        :returns: As :meth:`run`.
        :raises PromptTooLongError: If the prompt does not fit, or the server cut it.
        """
        await self.warm_up_async()
        question = self._question(messages, generation_kwargs, response_format)
        return self._answer(messages, await self._client_of_loop().chat(**question))

    def _client_of_loop(self) -> Any:
        """Return the client of the running event loop: connections of another loop died with it."""
        from ollama import AsyncClient

        loop = asyncio.get_running_loop()
        if self._of_loop is None or self._of_loop[0] is not loop:
            self._of_loop = loop, AsyncClient(host=self.url, timeout=self._timeouts())
        return self._of_loop[1]

    async def close_async(self) -> None:
        """Close the connections of the running event loop."""
        if self._of_loop is not None and self._of_loop[0] is asyncio.get_running_loop():
            await self._of_loop[1].close()
        self._of_loop = None

    def _question(
        self, messages: list[ChatMessage], more: Mapping[str, Any] | None, form: dict[str, Any] | None
    ) -> dict[str, Any]:
        options = self._options(more or {})
        fewest = fewest_tokens(_plain(messages))
        if fewest + max(options.get("num_predict", 0), 0) > self.num_ctx:
            msg = f"the prompt is longer than the context: {fewest} tokens or more, and an answer, in {self.num_ctx}"
            raise PromptTooLongError(msg)
        asked = {"logprobs": True, "top_logprobs": self.logprobs} if self.logprobs else {}
        return {
            "model": self.model,
            "messages": [{"role": str(message.role.value), "content": message.text or ""} for message in messages],
            "format": form,
            "options": options,
            "think": False,
            "keep_alive": self.keep_alive,
            "stream": False,
            **asked,
        }

    def _answer(self, messages: list[ChatMessage], response: Any) -> dict[str, list[ChatMessage]]:
        read, written = response.prompt_eval_count, response.eval_count
        if read is not None and was_cut(_plain(messages), read, self.num_ctx):
            msg = f"the prompt was cut by the server: it read {read} tokens, with num_ctx={self.num_ctx}"
            raise PromptTooLongError(msg)
        meta = {
            "model": response.model,
            "finish_reason": response.done_reason,
            "usage": {"prompt_tokens": read, "completion_tokens": written},
            "total_duration": response.total_duration,
            "logprobs": [entry.model_dump() for entry in response.logprobs or ()],
        }
        return {"replies": [ChatMessage.from_assistant(response.message.content or "", meta=meta)]}


def _plain(messages: list[ChatMessage]) -> list[Message]:
    return [Message(str(message.role.value), message.text or "") for message in messages]
