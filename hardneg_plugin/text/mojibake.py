"""Text that was decoded by the wrong encoding: told and repaired by ftfy (Speer, 2019)."""

from __future__ import annotations

# What a decoder writes in place of bytes it could not read; they are lost.
_REPLACEMENT = "\ufffd"


def repair_mojibake(text: str) -> str:
    """Undo wrong decodings, such as UTF-8 read as Windows-1252 (``schÃ¶n`` for ``schön``).

    :param text: Text in any script.
    :returns: The repaired text; the same text where nothing is wrong or nothing can be done.
    """
    if text.isascii():
        return text
    import ftfy

    return ftfy.fix_encoding(text)


def has_mojibake(text: str) -> bool:
    """Tell whether a text was decoded wrongly, also where it cannot be repaired.

    :param text: Text in any script.
    :returns: True if ftfy can repair something, or the text holds replacement characters (U+FFFD).
    """
    return _REPLACEMENT in text or repair_mojibake(text) != text
