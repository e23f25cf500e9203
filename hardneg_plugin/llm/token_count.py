"""Estimate the tokens of a prompt without its tokenizer, and detect prompts that a server has cut."""

from __future__ import annotations

from collections.abc import Iterable

from hardneg_plugin.llm.request import Message

# Characters per token of Latin script, short of the four that tokenizers reach on English; others may need one each.
_ASCII_CHARS_PER_TOKEN = 3
# Ollama leaves half of the context of a prompt that is too long, and a few tokens more; as a share of the context.
_AROUND_HALF = 1 / 32
_LIKELY_CUT = 0.75


def fewest_tokens(messages: Iterable[Message]) -> int:
    """Return a number of tokens that a conversation has at least, whatever the model.

    No tokenizer in use joins two words that white space separates, so each word is one token or more. What a chat
    template adds is not counted.

    :param messages: The conversation.
    """
    return sum(len(message.content.split()) for message in messages)


def likely_tokens(messages: Iterable[Message]) -> int:
    """Return about how many tokens a conversation has, rather more than fewer.

    :param messages: The conversation.
    """
    text = "".join(message.content for message in messages)
    ascii_chars = len(text.encode("ascii", "ignore"))
    return ascii_chars // _ASCII_CHARS_PER_TOKEN + len(text) - ascii_chars


def was_cut(messages: Iterable[Message], read: int, context: int) -> bool:
    """Tell whether a server that read so many tokens must have cut the prompt.

    Ollama takes the middle out of a prompt that does not fit, leaves about half of the context, and answers as if
    nothing had happened.

    :param messages: The conversation.
    :param read: Tokens of the prompt, as the server counted them.
    :param context: Tokens of prompt and answer that it has room for.
    """
    known = list(messages)
    if read < fewest_tokens(known) or read >= context:
        return True
    at_half = abs(read - context / 2) <= _AROUND_HALF * context
    return at_half and likely_tokens(known) >= _LIKELY_CUT * context
