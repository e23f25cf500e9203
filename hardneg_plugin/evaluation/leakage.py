"""Leakage: what is measured on, as it stands or nearly, among what was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hardneg_plugin.text import normalise
from hardneg_plugin.text.near_duplicates import band_keys, band_rows, jaccard

ALIKE = 0.8
"""Share of character 5-grams that two texts have in common, at least, where one nearly repeats the other."""


@dataclass(frozen=True)
class Leakage:
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
    """Counts texts of a test that occur among texts of a training, which are read once and not kept.

    Near-copies are found by MinHash bands and compared by their character 5-grams, as
    :mod:`hardneg_plugin.text.near_duplicates` does: a pair that is alike is found with a probability of 0.99.

    :param texts: The texts of the test.
    :param lowest: Lowest similarity of a near-copy.
    """

    def __init__(self, texts: Sequence[str], lowest: float = ALIKE) -> None:
        self._texts, self._lowest = list(texts), lowest
        self._forms = [normalise(text) for text in self._texts]
        self._rows = band_rows(lowest)
        self._exact: dict[str, list[int]] = {}
        self._bands: dict[tuple[int, bytes], list[int]] = {}
        for number, form in enumerate(self._forms):
            self._exact.setdefault(form, []).append(number)
            for key in band_keys(form, self._rows) if form else ():
                self._bands.setdefault(key, []).append(number)
        self._held: dict[int, str] = {}
        self._alike: dict[int, str] = {}

    def add(self, texts: Iterable[str]) -> None:
        """Look for texts of a training; a text that came before costs nothing more.

        :param texts: The texts.
        """
        for text in texts:
            form = normalise(text)
            if not form:
                continue
            for number in self._exact.get(form, ()):
                self._held.setdefault(number, text)
            near = {number for key in band_keys(form, self._rows) for number in self._bands.get(key, ())}
            for number in near - self._held.keys() - self._alike.keys():
                if jaccard(form, self._forms[number]) >= self._lowest:
                    self._alike[number] = text

    def leakage(self) -> Leakage:
        """Return what was found so far."""
        near = {number: text for number, text in self._alike.items() if number not in self._held}
        found = sorted({**self._held, **near}.items())[:3]
        examples = tuple((text, self._texts[number]) for number, text in found)
        return Leakage(len(self._texts), len(self._held), len(near), examples)
