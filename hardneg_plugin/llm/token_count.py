"""Estimate the tokens of a prompt without its tokenizer, and detect prompts that a server has cut."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import regex

from hardneg_plugin.llm.request import LLMReply, LLMRequest, Message

# Characters per token of Latin script, short of the four that tokenizers reach on English; others may need one each.
_ASCII_CHARS_PER_TOKEN = 3
# Ollama leaves half of the context of a prompt that is too long, and a few tokens more; as a share of the context.
_AROUND_HALF = 1 / 32
_LIKELY_CUT = 0.75
_ASCII_WORD = regex.compile(r"[A-Za-z]+")
# Letters of Latin script that a tokenizer puts into one token, at least, over a whole word.
_LETTERS_PER_TOKEN = 2


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


def most_tokens(messages: Iterable[Message]) -> int:
    """Return a number of tokens that a conversation hardly exceeds, whatever the model.

    Words of Latin script take a token for two letters. A digit and any other ASCII character takes one. Everything else
    takes one for each byte of UTF-8, as a tokenizer writes scripts that it has not learned.

    :param messages: The conversation.
    """
    return sum(_most(message.content) for message in messages)


def _most(text: str) -> int:
    words = [len(word) for word in _ASCII_WORD.findall(text)]
    others = len("".join(text.split()).encode("utf-8", "surrogatepass")) - sum(words)
    return others + sum(-(-length // _LETTERS_PER_TOKEN) for length in words)


def was_cut(messages: Iterable[Message], read: int, context: int, written: int = 0) -> bool:
    """Tell whether a server that read so many tokens must have cut the prompt, or dropped it in mid-answer.

    Ollama takes the middle out of a prompt that does not fit, leaves about half of the context, and answers as if
    nothing had happened. An answer for which there is no room makes it drop half of what it has read.

    :param messages: The conversation.
    :param read: Tokens of the prompt, as the server counted them.
    :param context: Tokens of prompt and answer that it has room for.
    :param written: Tokens of the answer, as the server counted them.
    """
    known = list(messages)
    if read < fewest_tokens(known) or read >= context or read + written > context:
        return True
    at_half = abs(read - context / 2) <= _AROUND_HALF * context
    return at_half and most_tokens(known) >= _LIKELY_CUT * context


def counted(request: LLMRequest, reply: LLMReply) -> LLMReply:
    """Return an answer with its tokens counted: what the server did not count is estimated.

    :param request: What was asked.
    :param reply: The answer.
    """
    written = likely_tokens([Message("assistant", reply.text)])
    return replace(
        reply,
        prompt_tokens=likely_tokens(request.messages) if reply.prompt_tokens is None else reply.prompt_tokens,
        completion_tokens=written if reply.completion_tokens is None else reply.completion_tokens,
    )
