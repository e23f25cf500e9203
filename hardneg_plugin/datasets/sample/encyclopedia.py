"""The fictional encyclopedia: families of look-alike entities, their facts, and the passages that tell them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, permutations
from random import Random
from typing import NamedTuple, TypeVar

from hardneg_plugin.datasets.sample.language import LANGUAGES, FactForm, Kind, load_language
from hardneg_plugin.datasets.sample.names import LOOK_ALIKES, NameSpace

T = TypeVar("T")

_PARAPHRASES = 4
_ORDERS = tuple(permutations(range(_PARAPHRASES)))
_PASSAGES_PER_FACT = (2, 2, 2, 3, 3, 3, 3, 3, 4, 4)
_CONTEXT_SENTENCES = (0, 0, 1, 1)
_SHARED_VALUE = 0.15
"""Share of the facts whose value is the same for all look-alikes of a family."""
_TEST_EVERY = 6


class Fact(NamedTuple):
    """One fact of one entity: its query and the passages that answer it.

    :param id: Readable id, such as ``en-town-000012-founded``; it is the query's id too.
    :param entity: Id of the entity, such as ``en-town-000012``.
    :param language: ISO 639-1 code.
    :param split: ``train`` or ``test``; all facts of a family are in the same one.
    :param question: Template of the query.
    :param passages: Templates of the relevant passages.
    :param known: Position of the passage that training is told about.
    :param slots: What fills the templates; ``v`` is the answer.
    """

    id: str
    entity: str
    language: str
    split: str
    question: str
    passages: tuple[str, ...]
    known: int
    slots: dict[str, str]

    def passage_id(self, position: int) -> str:
        """Give the id of the passage at a position (from 0)."""
        return f"{self.id}-{position + 1}"


class Encyclopedia:
    """Generates facts; a family depends on the seed and its number alone, never on the size of the dataset.

    :param seed: Seed of all names, values and wordings.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._languages = tuple(load_language(code) for code in LANGUAGES)
        self._names = tuple(NameSpace(language, seed) for language in self._languages)

    def facts(self, passages: int) -> Iterator[Fact]:
        """Yield facts until their passages fill the size asked for.

        :param passages: Most passages that the facts may have together.
        :returns: Facts with ``passages`` passages, or up to three fewer, as a fact is never cut.
        """
        room = passages
        for number in count():
            for fact in self._family(number):
                room -= len(fact.passages)
                if room < 0:
                    return
                yield fact

    def _family(self, number: int) -> Iterator[Fact]:
        rng = Random(f"{self._seed}/{number}")  # noqa: S311 - reproducible, not secret
        family, position = divmod(number, len(self._languages))
        language = self._languages[position]
        kind = language.kinds[family % len(language.kinds)]
        names = self._look_alikes(kind, position, family, rng)
        left_out = _pick(kind.facts, rng)
        forms = [form for form in kind.facts if form is not left_out]
        shared = {form.name: self._value(form, position, rng) for form in forms if rng.random() < _SHARED_VALUE}
        # Shifted per language, so that the test split of a small sample has all kinds.
        split = "test" if (family + position) % _TEST_EVERY == 0 else "train"
        for member, name in enumerate(names):
            entity = f"{language.code}-{kind.name}-{family * LOOK_ALIKES + member:06d}"
            for form in forms:
                slots = {
                    "name": name,
                    "v": shared[form.name] if form.name in shared else self._value(form, position, rng),
                    "sib": names[(member + 1 + (rng.random() < 0.5)) % LOOK_ALIKES],
                    "n": str(12 + int(rng.random() * 880)),
                    "m": str(12 + int(rng.random() * 880)),
                }
                passages = _passages(form, kind.context, language.separator, rng)
                question = _pick(form.questions, rng)
                known = int(rng.random() * len(passages))
                fact_id = f"{entity}-{form.name}"
                yield Fact(fact_id, entity, language.code, split, question, passages, known, slots)

    def _look_alikes(self, kind: Kind, position: int, family: int, rng: Random) -> list[str]:
        patterns = _pick(kind.names, rng)
        stems = self._names[position].stems(family)
        if rng.random() < 0.7:
            return [patterns[0].format(stem=stem) for stem in stems]
        return [pattern.format(stem=stems[0]) for pattern in patterns]

    def _value(self, fact: FactForm, position: int, rng: Random) -> str:
        form = fact.value
        return form.pattern.format(
            n=form.low + int(rng.random() * (form.high - form.low + 1)),
            word=_pick(form.words, rng) if form.words else "",
            stem=self._names[position].draw(rng) if "{stem}" in form.pattern else "",
        )


def _passages(fact: FactForm, context: Sequence[str], separator: str, rng: Random) -> tuple[str, ...]:
    order = _pick(_ORDERS, rng)[: _pick(_PASSAGES_PER_FACT, rng)]
    return tuple(_passage(_pick(fact.passages[paraphrase], rng), context, separator, rng) for paraphrase in order)


def _passage(core: str, context: Sequence[str], separator: str, rng: Random) -> str:
    sentences = [core]
    start = int(rng.random() * len(context))
    for step in range(_pick(_CONTEXT_SENTENCES, rng)):
        sentence = context[(start + step) % len(context)]
        sentences.insert(int(rng.random() * 2) * len(sentences), sentence)
    return separator.join(sentences)


def _pick(items: Sequence[T], rng: Random) -> T:
    # Only ``random()`` is promised to give the same sequence in every version of Python; ``choice`` is not.
    return items[int(rng.random() * len(items))]
