"""Lifecycle shared by components that ask language models: warm up and close their chat generators."""

from __future__ import annotations

from collections.abc import Sequence

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.components.chat_client import ChatClient


class ChatGeneratorMixin(StageComponent):
    """Base of a component whose ``_clients`` are whom it asks."""

    _clients: Sequence[ChatClient] = ()

    @property
    def asks_model(self) -> bool:
        """True where a language model is asked."""
        return bool(self._clients)

    def warm_up(self) -> None:
        """Warm up the chat generators."""
        for client in self._clients:
            client.warm_up()

    async def warm_up_async(self) -> None:
        """Warm up the chat generators."""
        for client in self._clients:
            await client.warm_up_async()

    def close(self) -> None:
        """Release what the chat generators hold."""
        for client in self._clients:
            client.close()

    async def close_async(self) -> None:
        """Release what the chat generators hold."""
        for client in self._clients:
            await client.close_async()
