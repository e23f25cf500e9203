"""The contract of a stage: what engines, estimates and refilter ask of a component, with defaults."""

from __future__ import annotations

from typing import Any, ClassVar

from hardneg_plugin.components.checked import CheckedParameters
from hardneg_plugin.records import CandidateTable, MiningExample

# Scores that a judge leaves where its server tells probabilities; which judge it is, only a run knows.
_OF_JUDGES = "false_negative:"


def lacking(kind: str, name: str, known: list[str]) -> str:
    """Return a message if no stage before writes a source or score of a name; empty if one does.

    :param kind: ``source`` or ``scorer``.
    :param name: The name.
    :param known: What is written.
    """
    if name in known or name.startswith(_OF_JUDGES):
        return ""
    dense = [one for one in known if one.startswith("dense:")]
    hint = f"; without `source`, a dense stage writes {dense[0]!r}" if dense else ""
    return f"no stage before it writes the {kind} {name!r}; written are: {', '.join(known) or 'none'}{hint}"


class StageComponent(CheckedParameters):
    """Base of every component that takes examples and gives examples; a stage of a recipe is one of them.

    A component overrides what is different with it, and nothing else is asked of it. Haystack builds its class anew,
    so a bare ``super()`` in a component fails: name the base, as in ``StageComponent.add(self, ...)``.
    """

    version: ClassVar[int] = 1
    """Number of the rules: raised when the same parameters give other results than before."""

    needs_all_examples: bool = False
    """Whether the result of an example depends on the others, so that all must come in one call."""

    replayable: ClassVar[tuple[str, ...] | None] = None
    """Parameters that may change when an earlier run's scores or verdicts are used again; None: it stores none."""

    @staticmethod
    def depends_on() -> list[str]:
        """Return fingerprints of rules and data outside the class that decide over the result."""
        return []

    def ignored_parameters(self) -> list[str]:
        """Return the parameters that cannot change the result, as the others are set."""
        return []

    def identity_of_inputs(self) -> dict[str, object]:
        """Return parameter → what stands for it in a fingerprint, where a parameter names something outside."""
        return {}

    @property
    def asks_model(self) -> bool:
        """True where a language model is asked."""
        return False

    def calls_for(self, candidates: int) -> int:
        """Return the calls of a language model that a query with so many candidates takes."""
        return 0

    @property
    def added_candidates(self) -> int:
        """Most candidates that are added to an example."""
        return 0

    @property
    def added_source(self) -> str:
        """Name of the source whose ranks and scores are added; empty where none is."""
        return ""

    @property
    def added_scorers(self) -> list[str]:
        """Names of the scores that are added to candidates and positives."""
        return []

    def unmet(self, sources: list[str], scorers: list[str]) -> dict[str, str]:
        """Return parameter → what it asks for that the stages before do not write.

        :param sources: Names of sources that they write.
        :param scorers: Names of scores that they write.
        """
        return {}

    def kept_candidates(self, candidates: int) -> int:
        """Return the most candidates of an example that are left of so many."""
        return candidates

    def expect(self, examples: int) -> None:
        """Take note of how many examples will come, in the next call and others; 0 where it is not known."""

    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Do the work of the stage; every component has its own.

        :param examples: The examples.
        :returns: ``examples``, and for some components further outputs.
        """
        # No abstract method: Haystack gives components a metaclass of its own.
        raise NotImplementedError

    def search(self, examples: list[MiningExample]) -> Any:
        """Do the first half of :meth:`run`, for whoever does the other half while the next search runs.

        :param examples: At least one.
        :returns: What :meth:`add` takes; nothing where the work has no such halves.
        """
        return None

    def add(self, examples: list[MiningExample], found: Any) -> list[MiningExample]:
        """Do the other half of :meth:`run`, by default all of it.

        :param examples: Those that were searched for.
        :param found: What :meth:`search` returned for them.
        """
        return self.run(examples)["examples"]

    def replay(self, examples: list[MiningExample], stored: CandidateTable) -> dict[str, list[MiningExample]]:
        """Run again with the scores or verdicts that an earlier run left, without any model.

        :param examples: Examples as they reach the component now.
        :param stored: Their candidates behind the earlier run.
        """
        return self.run(examples)
