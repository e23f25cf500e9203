"""Texts to index terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.text.fingerprint import analysis_fingerprint
from hardneg_plugin.text.language import detect_language
from hardneg_plugin.text.normalise import fold_characters
from hardneg_plugin.text.question_words import QuestionWords, list_language, question_words
from hardneg_plugin.text.scripts import WORDS, runs_of

# Most of a Latin corpus is ASCII, where blanking everything else and splitting is twice as fast as a pattern.
_ASCII_GAPS = str.maketrans({chr(code): " " for code in range(128) if not chr(code).isalnum()})

# Longer "words" are clauses of scripts without spaces: seldom met twice.
_LONGEST_REMEMBERED = 20
_MOST_REMEMBERED = 500_000


class _TermsByWord(dict[str, tuple[str, ...]]):
    """Terms of each folded word met so far, worked out at first sight; one for each list of question words."""

    def __init__(self, unasked: QuestionWords) -> None:
        super().__init__()
        self._unasked = unasked

    def __missing__(self, word: str) -> tuple[str, ...]:
        terms = tuple(
            term
            for run, rule in runs_of(word)
            for piece in self._unasked.pieces(rule.fold(run))
            for term in rule.terms(piece)
        )
        if len(word) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[word] = terms
        return terms


class Analyzer:
    """Turns texts of any language into terms for BM25.

    The script of each word decides how it is cut (see :mod:`hardneg_plugin.text.scripts`), so that a text may mix
    scripts and a wrong language label does little harm; the language decides only which question words are left out.
    Queries and passages are treated alike. Instances hold no state but a memory of the words met: they are cheap, may
    be shared by threads, and travel between processes without that memory.
    """

    def __init__(self) -> None:
        self._memory: dict[str, _TermsByWord] = {}

    def __reduce__(self) -> tuple[type[Analyzer], tuple[()]]:
        return Analyzer, ()

    @property
    def fingerprint(self) -> str:
        """Hash that changes with the rules, their data or the Unicode version: part of the key of a cached index."""
        return analysis_fingerprint()

    def tokenize(self, texts: Sequence[str], languages: Sequence[str] | None = None) -> list[list[str]]:
        """Turn texts into terms; a term may come more than once, and a word may give several terms.

        :param texts: Texts in any script.
        :param languages: Language of each text as an ISO 639-1 code, or an empty string where it is not known and the
            script shall tell; ``None`` if no language is known.
        :returns: Terms of each text in reading order; an empty list for a text without words.
        :raises ParameterError: If ``texts`` is a single string, one of them is not a string, or the languages are not
            as many as the texts.
        """
        _check(texts, languages)
        if languages is None:
            return [self._terms(text, "") for text in texts]
        return [self._terms(text, language) for text, language in zip(texts, languages, strict=True)]

    def rules_for(self, text: str, language: str) -> Mapping[str, tuple[str, ...]]:
        """Return the terms by folded word that serve a text; the same object where the same question words do.

        :param text: Text in any script.
        :param language: ISO 639-1 code, or an empty string where the script shall tell.
        """
        return self._terms_by_word(language or detect_language(text))

    def _terms(self, text: str, language: str) -> list[str]:
        terms_by_word = self.rules_for(text, language)
        folded = fold_characters(text)
        words = folded.translate(_ASCII_GAPS).split() if folded.isascii() else WORDS.findall(folded)
        return list(chain.from_iterable(map(terms_by_word.__getitem__, words)))

    def _terms_by_word(self, language: str) -> _TermsByWord:
        known = self._memory.get(language)
        if known is None:
            name = list_language(language)
            known = self._memory.setdefault(name, _TermsByWord(question_words(name)))
            self._memory[language] = known
        return known


def _check(texts: Sequence[object], languages: Sequence[str] | None) -> None:
    if isinstance(texts, str):
        msg = f"texts: expected a sequence of strings, came one string: {texts[:40]!r}"
        raise ParameterError(msg)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            msg = f"texts[{row}]: expected a string, came {type(text).__name__}"
            raise ParameterError(msg)
    if languages is not None and len(languages) != len(texts):
        msg = f"languages: expected one for each of the {len(texts)} texts, came {len(languages)}"
        raise ParameterError(msg)
