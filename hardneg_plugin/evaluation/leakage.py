"""Leakage: what is measured on, as it stands or nearly, among what was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

import xxhash

from hardneg_plugin.text import normalise, normalise_all
from hardneg_plugin.text.near_duplicates import band_keys, band_rows, jaccard
from hardneg_plugin.text.telling_differences import tells_apart

ALIKE = 0.8
"""Share of character 5-grams that two texts have in common, at least, where one nearly repeats the other."""


_EXAMPLES = 5
Example = tuple[str, str, str]
"""The kind (such as ``near query``); the text of the training; that of the test."""


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


@dataclass(frozen=True)
class Leakage:
    """Queries and positives of a test that the training pairs hold.

    :param train_pairs: Pairs of the training, repeated ones included.
    :param test_queries: Queries of the test.
    :param test_positives: Positives of the test.
    :param queries_exact: Queries of the test that are one of the training, but for case, width, punctuation and white
        space.
    :param queries_near: Further ones that nearly repeat one of the training.
    :param positives_exact: Positives of the test, in the same way.
    :param positives_near: Further ones that nearly repeat one of the training.
    :param examples: Up to five: the kind (such as ``near query``), the text of the training, and that of the test.
    """

    train_pairs: int
    test_queries: int
    test_positives: int
    queries_exact: int
    queries_near: int
    positives_exact: int
    positives_near: int
    examples: tuple[Example, ...] = ()

    def lines(self) -> list[str]:
        """Return what was found, as sentences for a report."""
        return [
            f"Compared with {self.train_pairs:,} training pairs.",
            *_sentences(self.test_queries, self.queries_exact, self.queries_near, "queries"),
            *_sentences(self.test_positives, self.positives_exact, self.positives_near, "positives"),
        ]


def count_leakage(
    train: Iterable[tuple[str, str]], test_queries: Sequence[str], test_positives: Sequence[str]
) -> Leakage:
    """Count the queries and positives of a test that a training holds, as they stand or nearly.

    :param train: Query and positive of each training pair; read once.
    :param test_queries: Queries of the test.
    :param test_positives: Positives of the test.
    """
    queries, positives = LeakageCounter(test_queries), LeakageCounter(test_positives)
    pairs = 0
    for query, positive in train:
        queries.add((query,))
        positives.add((positive,))
        pairs += 1
    asked, answered = queries.leakage(), positives.leakage()
    return Leakage(
        train_pairs=pairs,
        test_queries=asked.texts,
        test_positives=answered.texts,
        queries_exact=asked.exact,
        queries_near=asked.near,
        positives_exact=answered.exact,
        positives_near=answered.near,
        examples=_examples({"query": queries, "positive": positives}),
    )


def _examples(counters: Mapping[str, LeakageCounter]) -> tuple[Example, ...]:
    """Take one of each kind in turn, so that none hides the others."""
    kinds = [
        [(f"{how} {what}", *texts) for texts in counter.found(how)]
        for what, counter in counters.items()
        for how in ("exact", "near")
    ]
    turns = (example for turn in zip_longest(*kinds) for example in turn if example is not None)
    return tuple(islice(turns, _EXAMPLES))


def _sentences(texts: int, exact: int, near: int, what: str) -> Iterator[str]:
    if not exact + near:
        yield f"None of {texts:,} test {what} is a copy or near-copy of training {what}."
    for number, kind in ((exact, "copies"), (near, "near-copies")):
        if number:
            yield f"{number:,} of {texts:,} test {what} ({100 * number / texts:.1f} %) are {kind} of training {what}."


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

    def found(self, how: str) -> Iterator[tuple[str, str]]:
        """Yield what was found so far, in the order of the test's texts.

        :param how: ``exact`` for texts that the training holds, ``near`` for those of which it holds a near-copy.
        :returns: The first such text of the training, and that of the test.
        """
        found = self._held if how == "exact" else self._near()
        return ((found[number], self._texts[number]) for number in sorted(found))

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
