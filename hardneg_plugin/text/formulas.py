"""Punctuation that is part of a number or a formula, and so of the text: ``-15``, ``1.5``, ``a != b``, ``[0, 1)``.

Everything here reads folded text, and what it writes is left as it is when it is read again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import regex

# Hyphens, dashes and the minus sign; fraction and division slashes; percent and separators of Arabic digits.
_ONE_FORM = str.maketrans("‐‑‒–−⁄∕٪٫٬", "-----//%.,")
_HAS_OTHER_FORMS = regex.compile("[‐‑‒–−⁄∕٪٫٬]")
# White space within a line.
_BLANK = r"[^\S\n]"
_CURRENCIES = "".join(chr(code) for code in range(0x10000) if unicodedata.category(chr(code)) == "Sc")
# Begins what follows a sign: 5, .5, $5.
_NUMBER = rf"(?=[.{_CURRENCIES}]?\d)"
# Where something may be kept. It begins with one set of characters, which makes it fast to look for.
_PLACES = re.compile(rf"[-.,/*#!(\[](?:(?<=[-.,/])(?={_BLANK}*[.{_CURRENCIES}]?\d)|(?<=[*#!(\[]))")
_SIGN = regex.compile(rf"-(?<![\p{{L}}\p{{M}}\p{{N}})\]}}\-]-){_NUMBER}")
_DASH = regex.compile(rf"-(?<=[\d%]-){_BLANK}*{_NUMBER}|-(?<=[\d%]{_BLANK}+-){_BLANK}+{_NUMBER}")
_POINT = regex.compile(r"[.,](?<=\d[.,])(?=\d)|\.(?<![\p{L}\p{M}\p{N}.,]\.)(?=\d)")
_SLASH = regex.compile(rf"/(?<=\d/){_BLANK}*(?=\d)|/(?<=\d{_BLANK}+/){_BLANK}+(?=\d)")
_SHARP = regex.compile(r"#(?<=\p{L}#)(?![\p{L}\p{M}\p{N}#])")
_UNEQUAL = regex.compile(r"!(?=\s*=)")
_TIMES = regex.compile(r"\*(?<!\*\*)(?!\*)")
_BOUND = r"[-+]?(?:\d+(?:[.,]\d+)?|∞|\p{L})"
_LOW, _HIGH = rf"\s*(?P<low>{_BOUND})", rf"(?P<high>{_BOUND})\s*"
_INTERVAL = (
    rf"(?P<interval>[\[(]{_LOW}(?:\s*;\s*|\s+,\s*|,\s+){_HIGH}[\])]|\[{_LOW},{_HIGH}[\])]|\({_LOW},{_HIGH}\])"
    r"(?![\p{L}\p{M}\p{N}])"
)
_OPERAND = r"[-+]?(?:\d+(?:[.,]\d+)*\p{L}?|\p{L}\d?)"
# Numbers alone between dashes and slashes are years, pages and dates.
_TERM = rf"(?P<term>\((?![\d\s.,/-]+\))\s*{_OPERAND}(?:\s*[-+*/^=<>×÷]\s*{_OPERAND})+\s*\))"
_BRACKETS = regex.compile(rf"{_INTERVAL}|{_TERM}")
_SPACE_BEFORE_PERCENT = regex.compile(r"(?<=\d) (?=[%‰])")
_SPACES = regex.compile(r"\s+")
_SAID = regex.compile(r"(?V1)[\p{L}\p{M}\p{N}\p{S}%‰]")
_ENDS, _BEGINS = regex.compile(r"[\p{L}\p{M}\p{N}\p{S}%‰)\]]"), regex.compile(r"[\p{L}\p{N}\p{S}(\-.]")
_RARE = regex.compile(rf"{_INTERVAL}|{_TERM}|!(?=\s*=)")


def unified(folded: str) -> str:
    """Write dashes, slashes, percent signs and decimal separators of all kinds in one form each."""
    if folded.isascii() or _HAS_OTHER_FORMS.search(folded) is None:
        return folded
    return folded.translate(_ONE_FORM)


def formula_parts(folded: str) -> Iterator[tuple[int, int, str]]:
    """Yield the parts of a text that are kept though they are punctuation.

    :param folded: Text behind :func:`unified`.
    :returns: Where each part starts and ends, and what is written in its place.
    """
    done = 0
    for position in (found.start() for found in _PLACES.finditer(folded)):
        part = _part(folded, position) if position >= done else None
        if part is not None:
            yield part
            done = part[1]


def joined_percent(spaced: str) -> str:
    """Join percent signs to the number in front of them."""
    return _SPACE_BEFORE_PERCENT.sub("", spaced) if " %" in spaced or " ‰" in spaced else spaced


def has_rare_parts(text: str) -> bool:
    """Tell whether an ASCII text may hold what the compiled loop does not know: ``*``, ``#``, ``!=``, brackets."""
    if "*" in text or "#" in text:
        return True
    return ("(" in text or "[" in text or "!" in text) and _RARE.search(text) is not None


def _part(folded: str, position: int) -> tuple[int, int, str] | None:
    character = folded[position]
    if character in "([":
        found = _BRACKETS.match(folded, position)
        if found is None:
            return None
        term = found["term"]
        return position, found.end(), _interval(found) if term is None else _SPACES.sub("", term).replace(",", ".")
    if character == "*":
        kept = _TIMES.match(folded, position) is not None and _is_operator(folded, position)
        return (position, position + 1, " * ") if kept else None
    if character in "-/":
        return _between(folded, position)
    found = {"#": _SHARP, "!": _UNEQUAL}.get(character, _POINT).match(folded, position)
    return None if found is None else (position, position + 1, "." if character == "," else character)


def _between(folded: str, position: int) -> tuple[int, int, str] | None:
    """Return a dash or slash and the blanks around it where it stands between two numbers, or a sign."""
    character = folded[position]
    if character == "-" and _SIGN.match(folded, position) is not None:
        return position, position + 1, "-"
    found = (_DASH if character == "-" else _SLASH).match(folded, position)
    if found is None:
        return None
    start = position
    while folded[start - 1].isspace():
        start -= 1
    return start, found.end(), character


def _interval(found: regex.Match[str]) -> str:
    """Return an interval or a pair without spaces."""
    whole = found["interval"]
    low, high = (found[name].replace(",", ".") for name in ("low", "high"))
    return f"{whole[0]}{low};{high}{whole[-1]}"


def _is_operator(folded: str, position: int) -> bool:
    """Tell whether an asterisk stands between two things, rather than at one's edge or as the bullet of a line."""
    before, behind = folded[position - 1 : position], folded[position + 1 : position + 2]
    line = folded[folded.rfind("\n", 0, position) + 1 : position]
    if _SAID.search(line) is None:
        return False
    if not before.strip():
        return not behind.strip()
    if before == "(":
        return behind == ")" and _SAID.match(folded[position - 2 : position - 1] or " ") is not None
    return _ENDS.match(before) is not None and _BEGINS.match(behind or " ") is not None
