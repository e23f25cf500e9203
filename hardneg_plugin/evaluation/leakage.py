"""Leakage: what is measured on, as it stands or nearly, among what was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import xxhash

from hardneg_plugin.text import normalise, normalise_all
from hardneg_plugin.text.near_duplicates import band_keys, band_rows, jaccard
from hardneg_plugin.text.telling_differences import tells_apart

ALIKE = 0.8
"""Share of character 5-grams that two texts have in common, at least, where one nearly repeats the other."""


@dataclass(frozen=True)
class LeakedTexts:
    """Texts of a test that a training holds.

    :param texts: Texts of the test.
    :param exact: Those that the training holds, but for case, width, punctuation and white space.
    :param near: Further ones of which it holds a near-copy.
    :param examples: Up to three pairs: the text of the training, and that of the test.
    """

    texts: int
    exact: int
    near: int
    examples: tuple[tuple[str, str], ...] = ()


class LeakageCounter:
    """Counts texts of a test that occur among texts of a training, which are read once; of each, a hash is kept.

    Near-copies are found by MinHash bands and compared by their character 5-grams, as
    :mod:`hardneg_plugin.text.near_duplicates` does: a pair that is alike is found with a probability of 0.99. Texts
    that differ in what matters, such as a number or a negation, are no near-copies.

    :param texts: The texts of the test.
    :param lowest: Lowest similarity of a near-copy.
    """

    def __init__(self, texts: Sequence[str], lowest: float = ALIKE) -> None:
        self._texts, self._lowest = list(texts), lowest
        self._forms = normalise_all(self._texts)
        self._rows = band_rows(lowest)
        self._exact: dict[str, list[int]] = {}
        self._bands: dict[tuple[int, bytes], list[int]] = {}
        for number, form in enumerate(self._forms):
            self._exact.setdefault(form, []).append(number)
            for key in band_keys(form, self._rows) if form else ():
                self._bands.setdefault(key, []).append(number)
        self._seen: set[int] = set()
        self._held: dict[int, str] = {}
        self._alike: dict[int, str] = {}

    def add(self, texts: Iterable[str]) -> None:
        """Look for texts of a training; a text that came before costs nothing more.

        :param texts: The texts.
        """
        for text in texts:
            form = normalise(text)
            digest = xxhash.xxh3_64_intdigest(form.encode("utf-8", "surrogatepass"))
            if not form or digest in self._seen:
                continue
            self._seen.add(digest)
            for number in self._exact.get(form, ()):
                self._held.setdefault(number, text)
            near = {number for key in band_keys(form, self._rows) for number in self._bands.get(key, ())}
            for number in near - self._held.keys() - self._alike.keys():
                if self._repeats(form, self._forms[number]):
                    self._alike[number] = text

    def look_up(self, text: str, *, near: bool = True) -> tuple[list[int], list[int]]:
        """Return which texts of the test one text is, and which further ones it nearly repeats; nothing is counted.

        :param text: Text of a training.
        :param near: Whether to look for near-copies, which costs far more.
        :returns: Numbers of texts of the test, ascending.
        """
        form = normalise(text)
        if not form:
            return [], []
        exact = self._exact.get(form, [])
        bands = band_keys(form, self._rows) if near else ()
        maybe = {number for key in bands for number in self._bands.get(key, ())} - set(exact)
        return list(exact), [number for number in sorted(maybe) if self._repeats(form, self._forms[number])]

    def leakage(self) -> LeakedTexts:
        """Return the counts of what was found so far."""
        near = self._near()
        found = sorted({**self._held, **near}.items())[:3]
        examples = tuple((text, self._texts[number]) for number, text in found)
        return LeakedTexts(len(self._texts), len(self._held), len(near), examples)

    def _repeats(self, form: str, tested: str) -> bool:
        return jaccard(form, tested) >= self._lowest and not tells_apart(form, tested)

    def _near(self) -> dict[int, str]:
        return {number: text for number, text in self._alike.items() if number not in self._held}
