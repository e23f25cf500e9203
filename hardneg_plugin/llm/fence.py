"""Untrusted text as data inside a prompt: a passage cannot end its fence, forge another, or play a role."""

from __future__ import annotations

import unicodedata

import regex

# Ends of lines, tabs and other control characters, and what separates lines in Unicode: a passage is one line, so none
# of its lines can look like the prompt's own.
_BREAKS = regex.compile(r"[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Z}]+")
# What shows nothing: direction marks, tags, variation selectors, fillers. They reorder text, or hide text in it.
# Joiners write ligatures and emoji, and stay.
_INVISIBLE = regex.compile(r"[[\p{Cf}\p{Default_Ignorable_Code_Point}]--[\u200c\u200d]]+", regex.V1)
# Fences are written with angle brackets, and so are the marks of chat templates (<|eot_id|>, <s>, <start_of_turn>).
# Full-width and small forms look like them, and become them in some tokenizers.
_BRACKETS = str.maketrans({**dict.fromkeys("<\ufe64\uff1c", "‹"), **dict.fromkeys(">\ufe65\uff1e", "›"), "\uff5c": "|"})
# Marks of templates that are written with square brackets, of any width.
_SQUARE = regex.compile(r"[\[\uff3b]([^\[\]\uff3b\uff3d]{1,60})[\]\uff3d]")
_MARK = regex.compile(
    r"/?_?(inst|sys|system|system_prompt|user|assistant|tool|tools|tool_?calls?|tool_?results?|tool_content|call_id|args"
    r"|available_tools|think|thinking|reasoning|bos|eos|eot|pad|cls|sep|unk|mask|gmask|smask|img|img_break|img_end"
    r"|prefix|middle|suffix|model_settings|audio|begin_audio|end)",
    regex.IGNORECASE,
)
# Words in capitals are marks of templates to come.
_CAPITALS = regex.compile(r"/?[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|/[A-Z][A-Z0-9]+")


def escape_untrusted_text(text: str, max_chars: int | None = None) -> str:
    """Return a text that can stand between fences.

    It is one line without ``<`` and ``>`` (they become ``‹`` and ``›``), without characters that show nothing, and
    without the marks of chat templates. Words are left as they are: what they say is data, and the prompt says so.

    :param text: Any text.
    :param max_chars: Characters after which it is cut, at a word if there is one in the last fifth; None cuts nothing.
    """
    line: str = _BREAKS.sub(" ", _INVISIBLE.sub("", text)).strip().translate(_BRACKETS)
    line = _SQUARE.sub(_unmarked, line)
    if max_chars is None or len(line) <= max_chars:
        return line
    cut = line[: max(max_chars - 1, 0)]
    words = cut.rsplit(" ", 1)
    kept = words[0] if len(words) == 2 and len(words[0]) >= max_chars * 4 // 5 else cut
    return kept.rstrip() + "…"


def _unmarked(found: regex.Match[str]) -> str:
    """Return what stands in square brackets in round ones if it is the mark of a template, else as it is."""
    inside = found.group(1)
    name = unicodedata.normalize("NFKC", inside).replace("\u200c", "").replace("\u200d", "").replace(" ", "")
    marked = _MARK.fullmatch(name) or _CAPITALS.fullmatch(name)
    return f"({inside})" if marked else found.group()
