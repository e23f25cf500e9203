"""The language of a text, as far as its script tells."""

from __future__ import annotations

import regex

# The most frequent language of each script among retrieval collections; scripts of one language come out right,
# shared ones (Cyrillic, Arabic, Devanagari) as their largest language.
_SCRIPT_LANGUAGES = {
    "Latin": "",
    "Han": "zh",
    "Hiragana": "ja",
    "Katakana": "ja",
    "Hangul": "ko",
    "Cyrillic": "ru",
    "Arabic": "ar",
    "Devanagari": "hi",
    "Bengali": "bn",
    "Telugu": "te",
    "Thai": "th",
    "Greek": "el",
    "Hebrew": "he",
    "Tamil": "ta",
    "Kannada": "kn",
    "Malayalam": "ml",
    "Gujarati": "gu",
    "Gurmukhi": "pa",
    "Oriya": "or",
    "Sinhala": "si",
    "Lao": "lo",
    "Khmer": "km",
    "Myanmar": "my",
    "Tibetan": "bo",
    "Georgian": "ka",
    "Armenian": "hy",
    "Ethiopic": "am",
}
_RUNS = regex.compile("|".join(rf"(?P<{script}>\p{{{script}}}+)" for script in _SCRIPT_LANGUAGES))

# One such character is a syllable or a word, where an alphabet needs two or more letters.
_DENSE_SCRIPTS = frozenset({"Han", "Hiragana", "Katakana", "Hangul"})
_DENSITY = 2

# A script shows itself at once; reading a whole passage would cost more than tokenising it.
_READ_CHARACTERS = 256
_NO_ASCII_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())


def detect_language(text: str) -> str:
    """Tell the language of a text by the script of most of its first letters.

    :param text: Text in any script; its first 256 characters are read.
    :returns: ISO 639-1 code of the script's language, such as ``ko`` for Hangul or ``zh`` for Han without kana; an
        empty string for Latin script, scripts that are not known, and texts without letters.
    """
    if text.isascii():
        return ""
    beginning = text[:_READ_CHARACTERS]
    ascii_part = beginning.encode("ascii", "ignore")
    # Latin has the most letters whatever the other characters are: the pattern would take ten times as long to say so.
    if len(ascii_part.translate(None, _NO_ASCII_LETTERS)) > _DENSITY * (len(beginning) - len(ascii_part)):
        return ""
    letters: dict[str, int] = {}
    for run in _RUNS.finditer(beginning):
        script = run.lastgroup
        weight = _DENSITY if script in _DENSE_SCRIPTS else 1
        language = _SCRIPT_LANGUAGES[script]
        letters[language] = letters.get(language, 0) + weight * (run.end() - run.start())
    if "ja" in letters and "zh" in letters:
        # Japanese is written in both; Chinese never uses kana.
        letters["ja"] += letters.pop("zh")
    return max(letters, key=letters.__getitem__, default="")
