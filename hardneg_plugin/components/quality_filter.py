"""Removing what is unfit for training: queries, positives and candidates, each with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge
from haystack import component

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.mining.candidate_quality import (
    drop_equal_to_positive,
    drop_invalid_candidates,
    drop_repeated,
    text_digests,
)
from hardneg_plugin.mining.example_quality import QualityResult, judge, mark_repeated
from hardneg_plugin.mining.text_rules import TextRules
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.records.table import Ints, concat_ranges, lengths_to_offsets
from hardneg_plugin.text import analysis_fingerprint
from hardneg_plugin.validation import Count, NotZeroShare

_NAME = "QualityFilter"
Mojibake = Literal["report", "repair"]


@component
class QualityFilter(StageComponent):
    """Removes examples, positives and candidates that cannot teach: too short, repeated, broken, in a wrong language.

    A candidate is dropped with a reason (``negative: too short``). A positive is left out; the example's meta says
    which and why under ``removed_positives``. An example whose query is unfit, or whose positives all are, leaves on
    the output ``rejected`` with the reason in its meta under ``rejected``. :func:`count_removals` counts all of them.

    Faults of ``query``, ``positive`` and ``negative``: ``empty`` (no letter, digit or symbol), ``mojibake``,
    ``control characters``, ``too short``, ``too long``, ``wrong language`` (a passage's own is not the example's),
    ``wrong script``. Further: ``pair: duplicate``, ``pair: near-duplicate``, ``negative: duplicate`` and
    ``negative: equal to a positive``. The first fault in this order counts.

    The filter works before mining, on queries and positives, and behind a miner. The rules on repeated pairs
    need all examples at once; behind a miner turn them off, and it works shard by shard.

    ### Usage example

    ```python
    from hardneg_plugin import QualityFilter

    cleaned = QualityFilter(min_query_chars=5).run(examples=examples)
    [example.meta["rejected"] for example in cleaned["rejected"]]  # ['query: too short', 'pair: duplicate']
    ```

    :param min_query_chars: Fewest characters of a query; None has no limit, as in the three that follow.
    :param max_query_chars: Most characters of a query.
    :param min_passage_chars: Fewest characters of a positive or a candidate.
    :param max_passage_chars: Most characters of a positive or a candidate.
    :param dense_weight: What one character of Han, kana or Hangul counts for against the lower limits, 1 or more: each
        writes a syllable or a word, so that limits made for alphabets would remove good short questions.
    :param duplicates: Leave out pairs of query and positive that an earlier example has; case, punctuation, width and
        space do not count.
    :param near_duplicate: Leave out pairs whose query and positive are both at least this alike to an earlier pair's:
        Jaccard similarity of character 5-grams, above 0 and up to 1. None compares whole texts only.
    :param duplicate_candidates: Drop candidates that repeat an earlier one of their example, likewise.
    :param equal_to_positive: Drop candidates with the text of one of their example's positives.
    :param mojibake: ``report`` removes wrongly decoded text, under that reason; ``repair`` repairs queries and
        positives by ftfy (meta ``repaired`` says which) and removes what it cannot repair, and candidates; None does
        nothing.
    :param control_characters: Remove text with control characters other than tab and line ends.
    :param script_share: Least share of a text's letters that must be of the scripts of its example's language; None
        checks no language. Languages of one script are told apart only where passages carry their language. Turn it
        off where queries and passages differ in language on purpose.
    :raises ParameterError: If a parameter is out of range.
    """

    version: ClassVar[int] = 1

    def __init__(
        self,
        min_query_chars: Count | None = 10,
        max_query_chars: Count | None = 512,
        min_passage_chars: Count | None = 20,
        max_passage_chars: Count | None = 2048,
        dense_weight: Annotated[float, Ge(1)] = 2.0,
        duplicates: bool = True,
        near_duplicate: NotZeroShare | None = 0.9,
        duplicate_candidates: bool = True,
        equal_to_positive: bool = True,
        mojibake: Mojibake | None = "report",
        control_characters: bool = True,
        script_share: NotZeroShare | None = 0.2,
    ) -> None:
        _check_limits("query", min_query_chars, max_query_chars)
        _check_limits("passage", min_passage_chars, max_passage_chars)
        self.min_query_chars = min_query_chars
        self.max_query_chars = max_query_chars
        self.min_passage_chars = min_passage_chars
        self.max_passage_chars = max_passage_chars
        self.dense_weight = dense_weight
        self.duplicates = duplicates
        self.near_duplicate = near_duplicate
        self.duplicate_candidates = duplicate_candidates
        self.equal_to_positive = equal_to_positive
        self.mojibake = mojibake
        self.control_characters = control_characters
        self.script_share = script_share
        # An earlier example may be in another shard.
        self.needs_all_examples = duplicates or near_duplicate is not None
        self._rules = TextRules(
            min_chars={"query": min_query_chars, "passage": min_passage_chars},
            max_chars={"query": max_query_chars, "passage": max_passage_chars},
            dense_weight=dense_weight,
            mojibake=mojibake is not None,
            control_characters=control_characters,
            script_share=script_share,
        )

    @staticmethod
    def depends_on() -> list[str]:
        """Return fingerprints of rules outside this class that decide over the result."""
        return [analysis_fingerprint(), f"ftfy {metadata.version('ftfy')}"]

    @component.output_types(examples=list[MiningExample], rejected=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Filter.

        :param examples: All examples, or a shard where no duplicate rule is on.
        :returns: ``examples``: those that are kept, without unfit positives, their unfit candidates dropped;
            ``rejected``: the others, with the reason in their meta.
        """
        judged = [judge(example, self._rules, repair=self.mojibake == "repair") for example in examples]
        mark_repeated(judged, exact=self.duplicates, lowest=self.near_duplicate)
        table = table_of(examples)
        fit = [number for number, one in enumerate(judged) if not one.rejected]
        kept, table_of_kept = _select(judged, table, fit)
        return {
            "examples": with_table(kept, self._without_faulty(kept, table_of_kept)),
            "rejected": with_table(*_select(judged, table, sorted(set(range(len(judged))) - set(fit)))),
        }

    def _without_faulty(self, examples: list[MiningExample], table: CandidateTable) -> CandidateTable:
        table = drop_invalid_candidates(examples, table, self._rules)
        if not self.duplicate_candidates and not self.equal_to_positive:
            return table
        digests = text_digests(table)
        if self.equal_to_positive:
            table = drop_equal_to_positive(examples, table, digests)
        return drop_repeated(table, digests) if self.duplicate_candidates else table


def count_removals(examples: Sequence[MiningExample], rejected: Sequence[MiningExample]) -> dict[str, dict[str, int]]:
    """Count what a ``QualityFilter`` removed.

    :param examples: Its output of that name.
    :param rejected: Its other output.
    :returns: ``examples``, ``positives`` and ``candidates``: reason → how many, in alphabetical order. Candidates are
        those of the kept examples, whichever filter dropped them.
    """
    everything = (*examples, *rejected)
    positives = Counter(removed["reason"] for one in everything for removed in one.meta.get("removed_positives", ()))
    table = table_of(examples)
    codes = np.bincount(table.dropped.codes, minlength=len(table.dropped.values)).tolist()
    candidates = dict(zip(table.dropped.values[1:], codes[1:], strict=True))
    return {
        "examples": _sorted(Counter(str(example.meta["rejected"]) for example in rejected)),
        "positives": _sorted(positives),
        "candidates": _sorted({reason: count for reason, count in candidates.items() if count}),
    }


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _select(
    judged: Sequence[QualityResult], table: CandidateTable, numbers: Sequence[int]
) -> tuple[list[MiningExample], CandidateTable]:
    """Return some examples without their removed positives, and their candidates with the scores that stay."""
    chosen = np.array(numbers, dtype=np.int64)
    kept = [judged[number].kept for number in numbers]
    counts = [len(positions) for positions in kept]
    starts: Ints = table.positive_offsets[chosen]
    positions = np.array([position for positions in kept for position in positions], dtype=np.int64)
    lengths = np.diff(table.offsets)[chosen]
    rows = concat_ranges(table.offsets[chosen], lengths)
    chosen_table = table.take(
        rows, lengths_to_offsets(lengths), lengths_to_offsets(counts), np.repeat(starts, counts) + positions
    )
    return [judged[number].example() for number in numbers], chosen_table


def _check_limits(kind: str, least: int | None, most: int | None) -> None:
    if least is not None and most is not None and least > most:
        msg = f"{_NAME}: min_{kind}_chars={least} is above max_{kind}_chars={most}"
        raise ParameterError(msg)
