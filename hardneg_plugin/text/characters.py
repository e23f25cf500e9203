"""Count characters; detect control and placeholder characters."""

from __future__ import annotations

import regex

# Tab, line feed and carriage return are text; surrogates alone and non-characters cannot even be written as UTF-8.
_CONTROL = regex.compile(r"[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_DENSE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]+")


def has_control_characters(text: str) -> bool:
    """Tell whether a text holds control characters other than tab and line ends, lone surrogates or non-characters."""
    return _CONTROL.search(text) is not None


def count_cjk_characters(text: str) -> int:
    """Count the characters that write a whole syllable or word: Han, kana and Hangul.

    :param text: Text in any script.
    :returns: 0 or more.
    """
    return 0 if text.isascii() else sum(run.end() - run.start() for run in _DENSE.finditer(text))
