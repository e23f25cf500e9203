"""Untrusted text as data inside a prompt: a passage cannot end its fence, forge another, or play a role."""

from __future__ import annotations

import regex

# Ends of lines, tabs and other control characters, invisible format characters (direction marks among them), and what
# separates lines in Unicode: a passage is one line, so none of its lines can look like the prompt's own.
_BREAKS = regex.compile(r"[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Z}]+")
# Joiners write ligatures and emoji; the others of their kind reorder or hide text.
_INVISIBLE = regex.compile(r"[\p{Cf}--[\u200c\u200d]]+", regex.V1)
# Fences are written with angle brackets, and so are the marks of chat templates (<|eot_id|>, <s>, <start_of_turn>).
_BRACKETS = str.maketrans({"<": "‹", ">": "›"})
# Marks of templates that are written without them.
_TEMPLATE = regex.compile(
    r"\[(/?(?:INST|SYS|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT))\]", regex.IGNORECASE
)


def escape_untrusted_text(text: str, max_chars: int | None = None) -> str:
    """Return a text that can stand between fences.

    It is one line without ``<`` and ``>`` (they become ``‹`` and ``›``), without control and direction characters and
    without the marks of chat templates. Words are left as they are: what they say is data, and the prompt says so.

    :param text: Any text.
    :param max_chars: Characters after which it is cut, at a word if there is one in the last fifth; None cuts nothing.
    """
    line: str = _BREAKS.sub(" ", _INVISIBLE.sub("", text)).strip().translate(_BRACKETS)
    line = _TEMPLATE.sub(r"(\1)", line)
    if max_chars is None or len(line) <= max_chars:
        return line
    cut = line[: max(max_chars - 1, 0)]
    words = cut.rsplit(" ", 1)
    kept = words[0] if len(words) == 2 and len(words[0]) >= max_chars * 4 // 5 else cut
    return kept.rstrip() + "…"
