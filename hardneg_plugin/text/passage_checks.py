"""Check passages that a language model wrote as negatives of a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hardneg_plugin.text.answers import contains_answer
from hardneg_plugin.text.latin_language import other_latin_language
from hardneg_plugin.text.near_duplicates import jaccard
from hardneg_plugin.text.normalise import normalise
from hardneg_plugin.text.preamble import is_preamble, is_refusal, mentions_task
from hardneg_plugin.text.script_check import script_share
from hardneg_plugin.text.sentence_end import ends_sentence
from hardneg_plugin.text.telling_differences import tells_apart
from hardneg_plugin.text.word_count import count_words

# Models count words badly; a passage somewhat outside the limits is as good as one inside.
LENGTH_TOLERANCE = 0.2
_LEAST_SCRIPT_SHARE = 0.5
_REPEATED_CHARACTERS = 40


@dataclass(frozen=True)
class GeneratedPassage:
    """A passage and what it was written for.

    :param text: The passage.
    :param query: Text of the query.
    :param positives: Texts of the query's positives.
    :param earlier: Passages that came before it in the same answer.
    :param answers: Short answers to the query.
    :param language: ISO 639-1 code of the query's language, or empty where it is not known.
    :param complete: False where the model was stopped while it wrote this passage.
    """

    text: str
    query: str
    positives: Sequence[str] = ()
    earlier: Sequence[str] = ()
    answers: Sequence[str] = ()
    language: str = ""
    complete: bool = True


@dataclass(frozen=True)
class PassageChecks:
    """The checks, from the cheapest and plainest to the others; the first one that fails names the fault.

    :param min_words: Fewest words, a fifth less being tolerated; see :func:`count_words`.
    :param max_words: Most words, a fifth more being tolerated.
    :param near_duplicate: Jaccard similarity of character 5-grams from which a passage is a copy of another text; None
        looks for equal texts only.
    :param language: Whether a passage must be in the language of its query, as far as script and function words tell.
    :param instructions: The words of the prompt, normalised; 40 characters of them in a row are no passage.
    """

    min_words: int
    max_words: int
    near_duplicate: float | None = 0.8
    language: bool = True
    instructions: str = ""
    _checks: tuple[tuple[str, Callable[[GeneratedPassage], bool]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checks: tuple[tuple[str, Callable[[GeneratedPassage], bool]], ...] = (
            ("empty", lambda one: not normalise(one.text)),
            ("refusal", lambda one: is_refusal(one.text)),
            ("preamble", lambda one: is_preamble(one.text)),
            ("instruction", self._instructs),
            ("cut off", lambda one: not one.complete or ends_sentence(one.text) is False),
            ("too short", lambda one: count_words(one.text) < self.min_words * (1 - LENGTH_TOLERANCE)),
            ("too long", lambda one: count_words(one.text) > self.max_words * (1 + LENGTH_TOLERANCE)),
            ("language", lambda one: self.language and _in_other_language(one.text, one.language)),
            ("copy of the query", lambda one: self._alike(one.text, (one.query,))),
            ("copy of a positive", lambda one: self._alike(one.text, one.positives)),
            ("copy of another", lambda one: self._alike(one.text, one.earlier)),
            ("contains the answer", lambda one: contains_answer(one.text, one.answers, one.language)),
        )
        object.__setattr__(self, "_checks", checks)

    @property
    def faults(self) -> tuple[str, ...]:
        """All that can be wrong, in the order of the checks."""
        return tuple(name for name, _ in self._checks)

    def fault(self, passage: GeneratedPassage) -> str:
        """Return the first thing that is wrong with a passage; empty where nothing is."""
        return next((name for name, fails in self._checks if fails(passage)), "")

    def all_faults(self, passage: GeneratedPassage) -> list[str]:
        """Return everything that is wrong with a passage, for measurements of single checks."""
        return [name for name, fails in self._checks if fails(passage)]

    def _instructs(self, passage: GeneratedPassage) -> bool:
        return mentions_task(passage.text) or _share_run(normalise(passage.text), self.instructions)

    def _alike(self, text: str, others: Sequence[str]) -> bool:
        folded = normalise(text)
        for other in map(normalise, others):
            if folded == other:
                return True
            near = self.near_duplicate is not None and jaccard(folded, other) >= self.near_duplicate
            if near and not tells_apart(folded, other):
                return True
        return False


def _share_run(text: str, instructions: str) -> bool:
    """Tell whether two normalised texts share 40 characters in a row."""
    starts = range(len(text) - _REPEATED_CHARACTERS + 1)
    return bool(instructions) and any(text[start : start + _REPEATED_CHARACTERS] in instructions for start in starts)


def _in_other_language(text: str, language: str) -> bool:
    if not language:
        return False
    share = script_share(text, language)
    return (share is not None and share < _LEAST_SCRIPT_SHARE) or other_latin_language(text, language) != ""
