"""The inner loops of turning texts into numbered terms, compiled by numba; import this module inside a function."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hardneg_plugin.compiled import njit_cached

_SEED, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


class Words(NamedTuple):
    """The distinct words met: a hash table of open addressing over their characters.

    ``slots`` holds word numbers or -1; ``used`` the number of words and of characters.
    """

    slots: Any
    hashes: Any
    starts: Any
    characters: Any
    used: Any


@njit_cached()
def _number(words: Words, characters: Any, digest: Any) -> int:
    """Return the number of a word; a new one gets the next."""
    mask = np.uint64(len(words.slots) - 1)
    slot = np.uint64(digest ^ (digest >> np.uint64(32))) & mask
    size = len(characters)
    while True:
        number = words.slots[slot]
        if number < 0:
            break
        start = words.starts[number]
        if words.hashes[number] == digest and words.starts[number + 1] - start == size:
            same = True
            for place in range(size):
                if words.characters[start + place] != characters[place]:
                    same = False
                    break
            if same:
                return number  # type: ignore[no-any-return]
        slot = (slot + np.uint64(1)) & mask
    number = words.used[0]
    start = words.used[1]
    words.slots[slot] = number
    words.hashes[number] = digest
    words.characters[start : start + size] = characters
    words.starts[number + 1] = start + size
    words.used[0] = number + 1
    words.used[1] = start + size
    return number  # type: ignore[no-any-return]


@njit_cached()
def split(words: Words, characters: Any, ends: Any, is_word: Any, first: int, numbers: Any, counts: Any) -> Any:
    """Split texts into words; stop before a text that may not find room for its words.

    :param words: Words met so far.
    :param characters: Code points of all texts, uint32.
    :param ends: Where each text ends, shape ``(texts,)``.
    :param is_word: For each code point whether words are made of it.
    :param first: Text to begin with.
    :param numbers: Receives the number of each word in reading order.
    :param counts: Receives the number of words of each text.
    :returns: The first text that was not split, and the number of words in all.
    """
    total = 0
    for text in range(first, len(ends)):
        begin = ends[text - 1] if text else 0
        end = ends[text]
        room = end - begin
        if words.used[0] + room // 2 + 1 > len(words.slots) // 2 or words.used[1] + room > len(words.characters):
            return text, total
        before = total
        start = begin
        digest = _SEED
        for place in range(begin, end + 1):
            if place < end and is_word[characters[place]]:
                digest = (digest ^ np.uint64(characters[place])) * _PRIME
                digest ^= digest >> _SHIFT
            else:
                if place > start:
                    numbers[total] = _number(words, characters[start:place], digest)
                    total += 1
                start = place + 1
                digest = _SEED
        counts[text] = total - before
    return len(ends), total


@njit_cached()
def expand(numbers: Any, counts: Any, starts: Any, terms: Any, lengths: Any) -> Any:
    """Return the terms of all words in reading order; ``lengths`` receives the number of terms of each text."""
    total = 0
    for word in numbers:
        total += starts[word + 1] - starts[word]
    found = np.empty(total, np.int32)
    place = 0
    position = 0
    for text in range(len(counts)):
        before = place
        for _ in range(counts[text]):
            word = numbers[position]
            position += 1
            for term in range(starts[word], starts[word + 1]):
                found[place] = terms[term]
                place += 1
        lengths[text] = place - before
    return found
