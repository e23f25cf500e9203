"""Invented names: no two families of a language share one, however many there are."""

from __future__ import annotations

import math
from random import Random

from hardneg_plugin.datasets.sample.language import Language

LOOK_ALIKES = 3
"""Entities of one family: their names differ in the last letters or in one added word."""

_SYLLABLES = 3


class NameSpace:
    """The invented names of one language.

    A name is three syllables and a coda. No syllable is the beginning of another one and no coda comes twice, so that
    different numbers are always spelled differently: uniqueness needs no list of the names given so far.

    :param language: Language whose syllables spell the names.
    :param seed: Seed of the dataset; it decides which family gets which name.
    """

    def __init__(self, language: Language, seed: int) -> None:
        self._language = language
        self.size = len(language.syllables) ** _SYLLABLES * len(language.codas)
        rng = Random(f"{seed}/{language.code}/names")  # noqa: S311 - reproducible, not secret
        self._offset = int(rng.random() * self.size)
        step = int((0.3 + 0.4 * rng.random()) * self.size)
        while math.gcd(step, self.size) != 1:
            step += 1
        self._step = step

    def stems(self, family: int) -> tuple[str, ...]:
        """Give the stems of one family.

        :param family: Number of the family, from 0.
        :returns: One stem per look-alike; they differ in their coda only.
        """
        # Steps that are coprime to the size visit every name once; neighbours in number are far apart in spelling.
        return self._spell((self._offset + family * self._step) % self.size)

    def draw(self, rng: Random) -> str:
        """Draw any stem, for people and places without an entry."""
        return self._spell(int(rng.random() * self.size))[0]

    def _spell(self, index: int) -> tuple[str, ...]:
        syllables, codas = self._language.syllables, self._language.codas
        index, coda = divmod(index, len(codas))
        spelled = ""
        for _ in range(_SYLLABLES):
            index, syllable = divmod(index, len(syllables))
            spelled += syllables[syllable]
        if self._language.capitalise:
            spelled = spelled.capitalize()
        return tuple(spelled + ending for ending in codas[coda])
