"""Text from outside on a terminal or in a page: control characters are shown, never sent."""

from __future__ import annotations

import regex

# Control characters but tab and line feed; the marks that reverse or isolate a direction; what separates lines; half
# surrogate pairs, which no terminal takes.
_HIDDEN = regex.compile(
    r"[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff--[\n\t]]", regex.V1
)
_CONTROL_PICTURES = 0x2400


def visible(text: str) -> str:
    """Return a text with its control characters made visible: the escape character becomes ``␛``.

    An escape sequence thus cannot move the cursor, change a title, hide a line or write to the clipboard. Tabs and ends
    of lines stay; those with a carriage return lose it.

    :param text: Any text, such as a passage, an id or a name of a file.
    """
    return str(_HIDDEN.sub(_picture, text.replace("\r\n", "\n")))


def _picture(found: regex.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return "\u2421" if code == 0x7F else f"\\u{code:04x}"
