"""How many tokens a text has at least, without its model's tokenizer."""

from __future__ import annotations

from collections.abc import Iterable

from hardneg_plugin.llm.request import Message


def fewest_tokens(messages: Iterable[Message]) -> int:
    """Return a number of tokens that a conversation has at least, whatever the model.

    No tokenizer in use joins two words that white space separates, so each word is one token or more. What a chat
    template adds is not counted.

    :param messages: The conversation.
    """
    return sum(len(message.content.split()) for message in messages)
