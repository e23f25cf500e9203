"""Ollama for judging: the form of each answer, its log-probabilities, the model's digest, and no cut prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Le
from haystack import component, default_from_dict, default_to_dict
from haystack.dataclasses import ChatMessage
from haystack_integrations.components.generators.ollama import OllamaChatGenerator

from hardneg_plugin.components.answer_body import read_answer
from hardneg_plugin.components.bounded_http import client_arguments
from hardneg_plugin.components.ollama_model import OllamaModel, client_at, find_model
from hardneg_plugin.components.strict_chat_generator import PromptTooLongError, StrictChatGenerator, plain
from hardneg_plugin.components.thinking import UNSET, Thinking, limit_of
from hardneg_plugin.llm.deadline import within
from hardneg_plugin.llm.token_count import fewest_tokens, was_cut
from hardneg_plugin.validation import Count, NotNegative

_NAME = "StrictOllamaChatGenerator"


@component
class StrictOllamaChatGenerator(StrictChatGenerator, OllamaChatGenerator):
    """An ``OllamaChatGenerator`` for questions whose answers are data.

    Beyond its parent it takes the JSON schema of an answer call by call, gives log-probabilities, says when an answer
    was cut off, names the weights it asked (:meth:`identity`), and refuses a prompt that is too long, where Ollama cuts
    its middle out and answers all the same. Temperature is 0, words may repeat, and nothing is tried again: the layer
    that asks does so.

    ### Usage example

    ```python
    from hardneg_plugin import LLMNegativeClassifier, StrictOllamaChatGenerator

    judge = LLMNegativeClassifier(chat_generator=StrictOllamaChatGenerator("llama3.1:8b", logprobs=5))
    ```

    :param model: Name of the model, as ``ollama list`` shows it.
    :param url: Address of the server; None takes ``OLLAMA_HOST``, else this machine's port 11434.
    :param num_ctx: Tokens of prompt and answer together, at most those of the model. Another value makes the server
        load the model again.
    :param timeout: Seconds until the whole answer is here, the server's queue included.
    :param seed: Seed of the model.
    :param logprobs: Likeliest tokens whose log-probabilities are asked for, 0 to 20.
    :param keep_alive: How long the server keeps the model loaded after a call.
    :param max_tokens: Most tokens of an answer, in place of what each question takes.
    :param think: Whether the model thinks first: true, false, or a level (``low``, ``medium``, ``high``, ``max``);
        ``unset`` leaves it to the server. Models that must think need a level or true, and get room for it.
    :param generation_kwargs: Further options of Ollama, the same for all calls; they count before all others.
    :raises ParameterError: If a parameter is out of range.
    """

    _served: OllamaModel | None = None

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
        max_tokens: Count | None = None,
        think: Thinking = False,
    ) -> None:
        # By name: Haystack makes a new class of the decorated one, which a bare super() does not know.
        OllamaChatGenerator.__init__(self, model=model, keep_alive=keep_alive)
        self.url = url  # type: ignore[assignment]
        self.timeout = timeout
        self.num_ctx = num_ctx
        self.seed = seed
        self.logprobs = logprobs
        self.generation_kwargs = generation_kwargs  # type: ignore[assignment]
        self.max_tokens = max_tokens
        self.think = think  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads."""
        names = ("model", "url", "num_ctx", "timeout", "seed", "logprobs", "keep_alive", "generation_kwargs")
        return default_to_dict(self, **{name: getattr(self, name) for name in (*names, "max_tokens", "think")})

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
            self._client = client_at(_NAME, self.url)
        if self._served is None:
            with within(self._seconds):
                self._served = find_model(self._client, self.model, self._options({})["num_ctx"])

    @property
    def where(self) -> str:
        """Address of the server; empty before it was looked for where ``url`` is None."""
        return str(self._client._client.base_url) if self._client is not None else self.url or ""

    def identity(self) -> dict[str, Any]:
        """Return what decides over answers besides the request: model, digest of its weights, and options."""
        return {
            "model": self.model,
            "digest": "" if self._served is None else self._served.digest,
            "options": self._options({}),
            "logprobs": self.logprobs,
            "think": self.think,
        }

    def _options(self, more: Mapping[str, Any]) -> dict[str, Any]:
        fixed = {"temperature": 0, "seed": self.seed, "num_ctx": self.num_ctx, "repeat_penalty": 1.0}
        limit = limit_of(self.max_tokens, more.get("num_predict"), self.think)
        limited = {} if limit is None else {"num_predict": limit}
        # What the user says counts, whatever a question asks for.
        return {**fixed, **more, **limited, **(self.generation_kwargs or {})}

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
        with within(self._seconds):
            response = self._client._request_raw(**question)  # type: ignore[no-untyped-call]
        return self._answer(messages, read_answer(response.content, _answer_class()))

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
        with within(self._seconds):
            response = await self._client_of_loop()._request_raw(**question)
        return self._answer(messages, read_answer(response.content, _answer_class()))

    def _client_for_loop(self) -> Any:
        import httpx
        from ollama import AsyncClient

        return AsyncClient(host=self.url, **client_arguments(httpx.AsyncClient))

    def _question(
        self, messages: list[ChatMessage], more: Mapping[str, Any] | None, form: dict[str, Any] | None
    ) -> dict[str, Any]:
        options = self._options(more or {})
        fewest, wanted = fewest_tokens(plain(messages)), (more or {}).get("num_predict", 0)
        if fewest + max(wanted, 0) > self._context:
            msg = f"the prompt is longer than the context: {fewest} tokens or more, and an answer, in {self._context}"
            raise PromptTooLongError(msg)
        body = {
            "model": self.model,
            "messages": [{"role": str(message.role.value), "content": message.text or ""} for message in messages],
            "options": options,
            "keep_alive": self.keep_alive,
            "stream": False,
            # A prompt that does not fit is refused, and an answer that does not is cut off; by default it is the prompt
            # that loses a part, and nothing says so.
            "truncate": False,
            "shift": False,
        }
        body |= {} if form is None else {"format": form}
        think: Any = self.think
        body |= {} if think == UNSET else {"think": think}
        body |= {"logprobs": True, "top_logprobs": self.logprobs} if self.logprobs else {}
        return {"method": "POST", "url": "/api/chat", "json": body}

    @property
    def _context(self) -> int:
        context: int = self._options({})["num_ctx"]
        most = self._served.context if self._served is not None else None
        return context if most is None else min(context, most)

    def _answer(self, messages: list[ChatMessage], response: Any) -> dict[str, list[ChatMessage]]:
        read, written = response.prompt_eval_count, response.eval_count
        if read is not None and was_cut(plain(messages), read, self._context, written or 0):
            msg = f"the prompt was cut by the server: it read {read} tokens, with a context of {self._context}"
            raise PromptTooLongError(msg)
        meta = {
            "model": response.model,
            # Ollama stops a model that repeats itself without saying that it is done.
            "finish_reason": "length" if response.done is False else response.done_reason,
            "usage": {"prompt_tokens": read, "completion_tokens": written},
            "total_duration": _worked(response),
            "logprobs": [entry.model_dump() for entry in response.logprobs or ()],
        }
        return {"replies": [ChatMessage.from_assistant(response.message.content or "", meta=meta)]}


def _worked(response: Any) -> int | None:
    """Return the nanoseconds that the model worked; the whole time, in a queue too, where the server says no more."""
    parts = (response.prompt_eval_duration, response.eval_duration)
    total: int | None = response.total_duration
    return total if None in parts else sum(parts)


def _answer_class() -> Any:
    from ollama import ChatResponse

    return ChatResponse
