"""Base of the chat generators for judging: one client for each event loop, a limit of time, refused prompts."""

from __future__ import annotations

import asyncio
from typing import Any

from haystack.dataclasses import ChatMessage

from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.llm.request import Message


class PromptTooLongError(ValueError):
    """A prompt that does not fit, or that the server cut without saying so."""

    status_code = 400


class StrictChatGenerator(CheckedParameters):
    """Base of chat generators whose server and model are looked for once, before the first question."""

    takes_response_format = True
    timeout: Any

    _served: Any = None
    _of_loop: tuple[asyncio.AbstractEventLoop, Any] | None = None

    def warm_up(self) -> None:
        """Find the server and the model."""
        raise NotImplementedError

    async def warm_up_async(self) -> None:
        """Find the server and the model; the check itself is one short call that waits.

        :raises LLMError: As :meth:`warm_up`.
        """
        if self._served is None:
            await asyncio.to_thread(self.warm_up)

    @property
    def model_context(self) -> int | None:
        """Tokens of prompt and answer together; None where the server does not say, or was not asked."""
        return None if self._served is None else self._served.context

    @property
    def _seconds(self) -> float:
        return float(self.timeout or 0)

    def _client_for_loop(self) -> Any:
        """Return a new client for the running event loop."""
        raise NotImplementedError

    def _client_of_loop(self) -> Any:
        """Return the client of the running event loop: connections of another loop died with it."""
        loop = asyncio.get_running_loop()
        if self._of_loop is None or self._of_loop[0] is not loop:
            self._of_loop = loop, self._client_for_loop()
        return self._of_loop[1]

    async def close_async(self) -> None:
        """Close the connections of the running event loop."""
        if self._of_loop is not None and self._of_loop[0] is asyncio.get_running_loop():
            await self._of_loop[1].close()
        self._of_loop = None


def plain(messages: list[ChatMessage]) -> list[Message]:
    """Return messages as the layer that asks has them."""
    return [Message(str(message.role.value), message.text or "") for message in messages]
