"""Texts to numbered terms, a batch at a time: what an index is built from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.text.normalise import fold_characters
from hardneg_plugin.text.scripts import WORDS

if TYPE_CHECKING:
    from hardneg_plugin.text.analyzer import Analyzer

# Room for so many distinct words and their characters; where it is used up the memory of words begins anew.
_SLOTS = 1 << 21
_CHARACTERS = 1 << 24
# A longer text goes the plain way.
_LONGEST_TEXT = 1 << 20
_CODE_POINTS = 0x110000


class _Tokenizes(Protocol):
    def tokenize(self, texts: Sequence[str], languages: Sequence[str] | None = None) -> list[list[str]]: ...


class TokenIds(NamedTuple):
    """Terms of a batch of texts.

    :param ids: Numbers of the terms of all texts in reading order.
    :param lengths: How many of them each text has, shape ``(texts,)``.
    """

    ids: NDArray[np.int32]
    lengths: NDArray[np.int32]


class Vocabulary(dict[str, int]):
    """Terms in the order of their first sight; asking for a new one numbers it."""

    def __missing__(self, term: str) -> int:
        self[term] = number = len(self)
        return number


class PythonVectorizer:
    """Numbers terms by what any analyzer returns.

    :param analyzer: Whose terms.
    """

    def __init__(self, analyzer: _Tokenizes) -> None:
        self.vocabulary = Vocabulary()
        self._analyzer = analyzer

    def number(self, texts: Sequence[str], languages: Sequence[str] | None) -> TokenIds:
        """Return the terms of some texts, which are given as to ``tokenize`` of the analyzer."""
        tokens = self._analyzer.tokenize(texts, languages)
        lengths = np.fromiter(map(len, tokens), np.int32, len(tokens))
        ids = map(self.vocabulary.__getitem__, chain.from_iterable(tokens))
        return TokenIds(np.fromiter(ids, np.int32, int(lengths.sum())), lengths)


class NumbaVectorizer:
    """Numbers terms of the analyzer of this package, the same terms several times as fast.

    Words are found and looked up by compiled loops; only a word that is met for the first time is cut into its terms by
    the analyzer's rules. Terms have other numbers than :class:`PythonVectorizer` gives them.

    :param analyzer: Whose terms.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        self.vocabulary = Vocabulary()
        self._analyzer = analyzer
        self._plain = PythonVectorizer(analyzer)
        self._plain.vocabulary = self.vocabulary
        self._memories: dict[int, _WordCache] = {}
        self._is_word = _word_characters()

    def number(self, texts: Sequence[str], languages: Sequence[str] | None) -> TokenIds:
        """Return the terms of some texts, which are given as to ``tokenize`` of the analyzer."""
        groups: dict[int, list[int]] = {}
        rules: dict[int, Any] = {}
        for row, text in enumerate(texts):
            terms_by_word = self._analyzer.rules_for(text, languages[row] if languages is not None else "")
            group = 0 if len(text) > _LONGEST_TEXT else id(terms_by_word)
            groups.setdefault(group, []).append(row)
            rules[group] = terms_by_word
        parts = []
        for group, rows in groups.items():
            chosen = [texts[row] for row in rows] if len(rows) < len(texts) else texts
            if group:
                memory = self._memories.get(group) or _WordCache(rules[group], self.vocabulary, self._is_word)
                self._memories[group] = memory
                parts.append(memory.number(chosen))
            else:
                named = [languages[row] for row in rows] if languages is not None else None
                parts.append(self._plain.number(chosen, named))
        return parts[0] if len(parts) == 1 else _merge(len(texts), list(groups.values()), parts)


class _WordCache:
    """Words met in texts that leave the same question words out, and the terms of each."""

    def __init__(self, terms_by_word: Any, vocabulary: Vocabulary, is_word: NDArray[np.bool_]) -> None:
        from hardneg_plugin.text.vocabulary_kernels import Words

        self._terms_by_word = terms_by_word
        self._vocabulary = vocabulary
        self._is_word = is_word
        self._words = Words(
            np.full(_SLOTS, -1, np.int32),
            np.empty(_SLOTS // 2 + 1, np.uint64),
            np.zeros(_SLOTS // 2 + 2, np.int64),
            np.empty(_CHARACTERS, np.uint32),
            np.zeros(2, np.int64),
        )
        self._known = 0
        self._starts = np.zeros(_SLOTS // 2 + 2, np.int64)
        self._terms = np.empty(1024, np.int32)

    def number(self, texts: Sequence[str]) -> TokenIds:
        from hardneg_plugin.text.vocabulary_kernels import expand, split

        folded = [fold_characters(text) for text in texts]
        ends = np.cumsum(np.fromiter(map(len, folded), np.int64, len(folded)))
        characters = np.frombuffer("".join(folded).encode("utf-32-le", "surrogatepass"), np.uint32)
        numbers = np.empty(len(characters) // 2 + len(folded) + 1, np.int32)
        counts = np.zeros(len(folded), np.int32)
        lengths = np.zeros(len(folded), np.int32)
        done, parts = 0, []
        while done < len(folded):
            stop, total = split(self._words, characters, ends, self._is_word, done, numbers, counts)
            self._learn()
            span = slice(done, stop)
            parts.append(expand(numbers[:total], counts[span], self._starts, self._terms, lengths[span]))
            if stop < len(folded):
                self._forget()
            done = stop
        return TokenIds(np.concatenate(parts) if parts else np.empty(0, np.int32), lengths)

    def _learn(self) -> None:
        """Work out the terms of the words that are new."""
        words, first, last = self._words, self._known, int(self._words.used[0])
        if first == last:
            return
        bounds = words.starts[first : last + 1]
        text = words.characters[bounds[0] : bounds[-1]].tobytes().decode("utf-32-le", "surrogatepass")
        places = (bounds - bounds[0]).tolist()
        terms = [self._terms_by_word[text[start:end]] for start, end in pairwise(places)]
        self._starts[first + 1 : last + 1] = self._starts[first] + np.cumsum([len(found) for found in terms])
        needed = int(self._starts[last])
        if needed > len(self._terms):
            self._terms = np.concatenate([self._terms, np.empty(needed, np.int32)])
        numbered = map(self._vocabulary.__getitem__, chain.from_iterable(terms))
        self._terms[self._starts[first] : needed] = np.fromiter(numbered, np.int32)
        self._known = last

    def _forget(self) -> None:
        self._words.slots[:] = -1
        self._words.used[:] = 0
        self._known = 0


@cache
def _word_characters() -> NDArray[np.bool_]:
    """Return for each code point whether words are made of it."""
    is_word = np.zeros(_CODE_POINTS, dtype=np.bool_)
    for run in WORDS.finditer("".join(map(chr, range(_CODE_POINTS)))):
        is_word[run.start() : run.end()] = True
    return is_word


def _merge(texts: int, rows: list[list[int]], parts: list[TokenIds]) -> TokenIds:
    """Bring the terms of several groups of texts into the order of all texts."""
    lengths = np.zeros(texts, np.int32)
    for own, part in zip(rows, parts, strict=True):
        lengths[own] = part.lengths
    starts = np.cumsum(lengths, dtype=np.int64) - lengths
    ids = np.empty(int(lengths.sum()), np.int32)
    for own, part in zip(rows, parts, strict=True):
        begins = np.cumsum(part.lengths, dtype=np.int64) - part.lengths
        ids[np.repeat(starts[own] - begins, part.lengths) + np.arange(len(part.ids))] = part.ids
    return TokenIds(ids, lengths)
