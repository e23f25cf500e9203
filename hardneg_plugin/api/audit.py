"""Audit training rows from any source in one call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hardneg_plugin.api import audit_inputs as inputs
from hardneg_plugin.api import audit_report as reporting
from hardneg_plugin.api.batch_plan import BatchPlan, plan_batches
from hardneg_plugin.datasets.training_rows import TrainingRows
from hardneg_plugin.evaluation.audit.broken import broken_findings
from hardneg_plugin.evaluation.audit.conflicts import conflict_finding, find_conflicts
from hardneg_plugin.evaluation.audit.copies import copy_findings
from hardneg_plugin.evaluation.audit.coverage import coverage_findings
from hardneg_plugin.evaluation.audit.false_negatives import rates_of
from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.evaluation.audit.judgements import Judgements
from hardneg_plugin.evaluation.audit.languages import Languages, language_findings
from hardneg_plugin.evaluation.audit.leaks import leakage_findings
from hardneg_plugin.evaluation.audit.measures import hardness, length_aucs, lengths, overlaps, style_aucs
from hardneg_plugin.evaluation.audit.pairs import MOST_ROWS, Pairs
from hardneg_plugin.evaluation.audit.positives import out_of_fold, positive_finding
from hardneg_plugin.evaluation.audit.sample_examples import sample_examples
from hardneg_plugin.evaluation.audit.swapped import swapped_findings
from hardneg_plugin.evaluation.audit.table import AuditTable
from hardneg_plugin.report.audit import AuditReport, Distribution

if TYPE_CHECKING:
    import datasets
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True)
class Audit:
    """Result of :func:`audit`.

    :param report: The report; ``report.finding("query_as_negative").rows`` are the rows of a finding.
    :param plan: Batches of one epoch without in-batch false negatives, as far as that is possible.
    """

    report: AuditReport
    plan: BatchPlan


def audit(
    source: TrainingRows | datasets.Dataset | str,
    *,
    format: str | None = None,  # noqa: A002
    source_split: str = "train",
    system: str | None = None,
    on_bad_row: Literal["error", "skip"] = "skip",
    qrels: str | None = None,
    split: str | None = None,
    relevance: int = 1,
    labels: str | None = None,
    test: str | None = None,
    test_split: str | None = None,
    model: SentenceTransformer | str | None = None,
    batch_size: int = 32,
    fewest_negatives: int | None = None,
    examples: int = 20,
    seed: int = 0,
) -> Audit:
    """Audit training rows: how many negatives are positives, and what else is wrong with them.

    Works on the rows of anybody's miner and on a run of this package, which also knows who found each negative.

    >>> found = audit("triplets.jsonl", qrels="beir:data/msmarco", split="train")
    >>> found.report.finding("query_as_negative").rows

    :param source: A file, folder or hub dataset of training rows, a run folder, a ``datasets.Dataset``, or rows.
    :param format: Format of the rows; None tells it by their columns.
    :param source_split: Split of a source that has several.
    :param system: System of a run folder; None takes the only one that mines.
    :param on_bad_row: ``skip`` leaves rows that cannot be read out and reports them; ``error`` stops at the first.
    :param qrels: Dataset spec whose judgements tell false negatives, and whose answers are looked for in negatives.
    :param split: Split of ``qrels``; None takes the only one.
    :param relevance: Lowest grade that is relevant, in ``qrels`` and ``test``.
    :param labels: CSV file of a person's labels, see :mod:`hardneg_plugin.datasets.labels`.
    :param test: Dataset spec of what will be measured on, for leakage.
    :param test_split: Split of ``test``; None takes the only one.
    :param model: ``SentenceTransformer``, folder or hub id, for hardness and bad positives; None uses BM25.
    :param batch_size: Rows in a batch, for in-batch conflicts and the batch plan.
    :param fewest_negatives: Queries with fewer are reported; None takes half of what the median query has.
    :param examples: How many rows to read the report shows.
    :param seed: Seed of every draw.
    :returns: The report and the batch plan.
    :raises DatasetError: If the rows or datasets cannot be read.
    :raises EvaluationError: If judgements or labels have nothing to do with the rows.
    :raises WorkspaceError: If a run folder has no such system or is not finished.
    """
    rows, provenance = inputs.read_source(source, format, on_bad_row, system, source_split)
    table = AuditTable.of(rows, provenance)
    judgements = None
    if qrels is not None:
        dataset, name = inputs.load_split(qrels, split, "the qrels' split")
        judgements = inputs.judgements_of(dataset, name, relevance)
        table = inputs.with_answers(table, dataset, name)
    tested = None if test is None else inputs.test_texts(test, test_split, relevance)
    one = _Audit(table, Pairs.of(table, seed), Languages(table), inputs.load_encoder(model), seed)
    return one.run(judgements, labels, tested, batch_size, fewest_negatives, examples)


@dataclass(frozen=True)
class _Audit:
    table: AuditTable
    pairs: Pairs
    languages: Languages
    model: Any | None
    seed: int

    def run(
        self,
        judgements: Judgements | None,
        labels: str | None,
        tested: tuple[list[str], list[str]] | None,
        batch_size: int,
        fewest_negatives: int | None,
        examples: int,
    ) -> Audit:
        table = self.table
        known = inputs.collect_labels(table, judgements, labels)
        rates = tuple(map(reporting.audit_rate, rates_of(table, known, self.languages.of_rows)))
        plan = plan_batches(table, batch_size, self.seed)
        measured = self._measured()
        findings = tuple(self._findings(tested, batch_size, fewest_negatives))
        findings = (*findings, measured.positives)
        counts = self._counts()
        conflicts = {"unplaced_rows": float(plan.conflicting)}
        report = AuditReport(
            source=table.rows.where,
            format=table.rows.format,
            counts=counts,
            findings=findings,
            rates=rates,
            figures=reporting.figures_of(counts, findings, rates, {**measured.figures, **conflicts}),
            distributions=measured.distributions,
            mixes=tuple(reporting.mixes(table, self.languages.mix())),
            examples=tuple(
                reporting.reading_examples(
                    table, sample_examples(table, findings, examples, self.seed), self.languages.of_rows
                )
            ),
            notes=tuple(self._notes(judgements, plan, batch_size, measured)),
        )
        return Audit(report, plan)

    def _findings(
        self,
        tested: tuple[list[str], list[str]] | None,
        batch_size: int,
        fewest_negatives: int | None,
    ) -> Iterator[Finding]:
        table = self.table
        yield from broken_findings(table)
        yield from swapped_findings(self.languages)
        yield from copy_findings(table)
        yield from language_findings(self.languages)
        if tested is not None:
            yield from leakage_findings(table, *tested)
        yield conflict_finding(table, find_conflicts(table), batch_size)
        yield from coverage_findings(table, fewest_negatives)

    def _measured(self) -> _Measured:
        pairs = self.pairs
        vectors = None if self.model is None or not len(pairs.row) else pairs.vectors(self.model)
        scored = out_of_fold(pairs, vectors, seed=self.seed)
        hard, scorer = hardness(pairs, vectors)
        measures = (lengths(self.table), overlaps(pairs), hard)
        figures = {
            f"length_auc[source={source}]" if source else "length_auc": value
            for source, value in length_aucs(self.table).items()
        }
        styles = style_aucs(self.table, self.seed)
        figures.update({f"style_auc[source={source}]": style.auc for source, style in styles.items()})
        if hard.values:
            figures["harder_than_positive"] = float((hard.values["negatives"] >= 0).mean())
        distributions = (reporting.distribution(measure) for measure in measures)
        return _Measured(
            tuple(one for one in distributions if one is not None),
            figures,
            positive_finding(pairs, scored),
            scorer,
            tuple(f"{source}: {told}" for source, style in styles.items() if (told := style.warning())),
        )

    def _counts(self) -> dict[str, int]:
        table = self.table
        return {
            "rows": len(table),
            "queries": int(table.asked.max()) + 1,
            "positives": len(table.positives),
            "negatives": len(table.negatives),
        }

    def _notes(
        self, judgements: Judgements | None, plan: BatchPlan, batch_size: int, measured: _Measured
    ) -> Iterator[str]:
        table = self.table
        yield (
            f"Batch plan: {len(plan.batches):,} batches of at most {batch_size:,} rows; {plan.conflicting:,} rows "
            "could not be placed without a conflict."
        )
        if judgements is not None and not judgements.judges_negatives:
            yield (
                "The judgements name relevant passages alone: every other passage of a judged query counts as not "
                "relevant, so the rate is a lower bound where not all relevant passages are known."
            )
        if "length_auc" in measured.figures:
            yield (
                "Length alone tells a positive from a negative with AUC "
                + ", ".join(f"{value:.2f} ({name})" for name, value in measured.figures.items() if "length" in name)
                + ": 0.50 is chance, above it positives are longer."
            )
        if "harder_than_positive" in measured.figures:
            share = measured.figures["harder_than_positive"]
            yield f"{share:.1%} of the negatives score as high as their positive or higher, by {measured.scorer}."
        yield from measured.warnings
        if len(table) > MOST_ROWS:
            yield f"Words in common, hardness and scores of positives are of {MOST_ROWS:,} rows, drawn by number."


@dataclass(frozen=True)
class _Measured:
    distributions: tuple[Distribution, ...]
    figures: dict[str, float]
    positives: Finding
    scorer: str
    warnings: tuple[str, ...]
