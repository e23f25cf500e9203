"""Tell whether a text ends at the end of a sentence."""

from __future__ import annotations

import regex

from hardneg_plugin.text.language import detect_language

# The full stops of all scripts have the Unicode property; closing quotes and brackets may stand behind them (German
# quotations close with an opening mark), and marks of reference such as "[3]".
_BEHIND = r"[\p{Pe}\p{Pf}\p{Pi}\"'*_\s]*(?:\[[^\[\]]{1,30}\]\s*)*\Z"
_END = regex.compile(rf"(?:\p{{Sentence_Terminal}}|(?<=\p{{Greek}}\p{{M}}*);){_BEHIND}")
_ELLIPSIS = regex.compile(rf"(?:…|\.\s?\.){_BEHIND}")
_WITHOUT_FULL_STOP = frozenset({"th", "lo", "bo"})
_LAST_CHARACTERS = 64


def ends_sentence(text: str) -> bool | None:
    """Tell whether a text ends with the end of a sentence, as a passage that was cut off does not.

    :param text: Text in any script. Dots of omission at the end are no end.
    :returns: None where the script does not tell: Thai, Lao and Tibetan write no full stop at the end of a text.
    """
    last = text.rstrip()[-_LAST_CHARACTERS:]
    if _ELLIPSIS.search(last):
        return False
    if _END.search(last):
        return True
    return None if detect_language(last) in _WITHOUT_FULL_STOP else False
