"""A run's candidates for labelling, and what their labels say of the judge, a model, and budgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xxhash

from hardneg_plugin.components.false_negative_budget import FalseNegativeBudget, Predictions
from hardneg_plugin.datasets.labels import UNSURE, LabelRow, weights_of
from hardneg_plugin.errors import EvaluationError, WorkspaceError
from hardneg_plugin.evaluation.false_negative_budget import budget_choices, fewest_labels, kappa
from hardneg_plugin.evaluation.false_negative_model import reliability
from hardneg_plugin.evaluation.rates import RateEstimate, gold_rate
from hardneg_plugin.llm.verdicts import EASY_NEGATIVE, FALSE_NEGATIVE, HARD_NEGATIVE
from hardneg_plugin.recipe.json_files import written_text
from hardneg_plugin.recipe.yaml_text import parse_yaml
from hardneg_plugin.records import MiningExample, read_jsonl, read_parquet
from hardneg_plugin.run.workspace import DONE, Workspace

BUDGETS = (0.01, 0.02, 0.05, 0.1)
# What chooses among candidates that were filtered and judged: a sample of what is left behind it would say nothing of
# what another budget keeps.
_CHOOSING = ("budget", "sample")
_RECIPE = "recipe.yaml"
_FILE = "examples"


class DrawnFrom(NamedTuple):
    """The origin of candidates: labels are bound to it.

    :param run: Name of the run's recipe; ``examples`` for a file of examples, which may be moved.
    :param system: The system; empty where a stage was named.
    :param stage: Folder of the stage, whose name has the fingerprint of all that made it; of a file, a hash of it.
    """

    run: str
    system: str
    stage: str

    def __str__(self) -> str:
        return f"{self.run}/{self.system}/{self.stage}"


def drawn_from(run: Path, stage: str | None = None, system: str | None = None) -> DrawnFrom:
    """Return what labels of a run's candidates are bound to, see :func:`candidates_of`."""
    if run.is_file():
        return DrawnFrom(_FILE, "", xxhash.xxh3_64_hexdigest(run.read_bytes()))
    folder, name = _stage_of(run, stage, system)
    recipe = parse_yaml((run / _RECIPE).read_text("utf-8"), str(run / _RECIPE))
    return DrawnFrom(str(recipe.get("name", run.name)), name, folder.name)


def check_labels(labels: Path, rows: Sequence[LabelRow], candidates: DrawnFrom) -> None:
    """Check that labels were drawn from these candidates; rows that do not say are taken.

    :param labels: The file of the labels.
    :param rows: Its rows.
    :param candidates: Where the candidates come from.
    :raises EvaluationError: If some were drawn elsewhere.
    """
    for row in rows:
        if not row.drawn_from:
            continue
        run, _, rest = row.drawn_from.partition("/")
        system, _, stage = rest.partition("/")
        same = (run, stage) == (candidates.run, candidates.stage)
        if not same or (system and candidates.system and system != candidates.system):
            msg = (
                f"{labels}: its labels were drawn from {row.drawn_from}, and the candidates are those of {candidates} "
                f"(run/system/stage); name that run, --system or --stage, or draw a new sample"
            )
            raise EvaluationError(msg)


def candidates_of(run: Path, stage: str | None = None, system: str | None = None) -> list[MiningExample]:
    """Return the examples behind a stage of a run.

    :param run: The run folder, or a file of examples (``.parquet`` or ``.jsonl``).
    :param stage: The stage, by name or by the name of its folder; None takes the last before the system's budget or
        sampler.
    :param system: The system; None takes the recipe's first that has stages.
    :raises WorkspaceError: If there is no such run, system or stage, it is not finished, or several have the name.
    :raises RecordError: If the file holds no examples.
    """
    if run.is_file():
        return list(read_jsonl(run)) if run.suffix == ".jsonl" else read_parquet(run)
    folder, _ = _stage_of(run, stage, system)
    if not (folder / DONE).is_file():
        msg = f"{folder}: the stage is not finished; start the run again first"
        raise WorkspaceError(msg)
    return [example for part in sorted(folder.glob("part-*.parquet")) for example in read_parquet(part)]


def _stage_of(run: Path, stage: str | None, system: str | None) -> tuple[Path, str]:
    """Return the folder of a stage, and the system it belongs to; empty where the stage was named."""
    recipe_file = run / _RECIPE
    if not recipe_file.is_file():
        msg = f"{run}: neither a run folder (no recipe.yaml in it) nor a file of examples"
        raise WorkspaceError(msg)
    return (_named(run, stage), system or "") if stage is not None else _before_choice(run, recipe_file, system)


def _before_choice(run: Path, recipe_file: Path, system: str | None) -> tuple[Path, str]:
    """Return the folder of the last stage before a system chooses among what was filtered, and the system's name."""
    systems = parse_yaml(written_text(recipe_file), str(recipe_file)).get("systems") or {}
    stages = {name: [next(iter(stage)) for stage in own] for name, own in systems.items() if own}
    name = system or next(iter(stages), "")
    if name not in stages:
        msg = f"{recipe_file}: no system {name!r} that mines; those that do: {', '.join(stages) or 'none'}"
        raise WorkspaceError(msg)
    cut = next((position for position, known in enumerate(stages[name]) if known in _CHOOSING), len(stages[name]))
    if not cut:
        msg = f"{recipe_file}: system {name!r} has no stage before {' or '.join(_CHOOSING)}"
        raise WorkspaceError(msg)
    workspace = Workspace(run)
    seeds = [seed for known, seed in workspace.trainings() if known == name]
    # A run whose budget still waits for these labels is not mined to its end.
    folder = workspace.stages(name, seeds[0])[0][cut - 1].path if seeds else _named(run, stages[name][cut - 1])
    return folder, name


def _named(run: Path, stage: str) -> Path:
    folders = sorted(path for path in (run / "stages").glob("*") if stage in (path.name, path.name.rpartition("-")[0]))
    if len(folders) != 1:
        there = ", ".join(sorted(path.name for path in (run / "stages").glob("*"))) or "none"
        many = f"{len(folders)} stages are called {stage!r}" if folders else f"no stage {stage!r}"
        msg = f"{run}: {many}; name one with --stage: {there}"
        raise WorkspaceError(msg)
    return folders[0]


def calibration_lines(examples: list[MiningExample], rows: Sequence[LabelRow], labels: Path) -> list[str]:
    """Return the report on labels, line by line.

    :param examples: The examples that were sampled.
    :param rows: The sample with its labels.
    :param labels: The file that they were read from.
    """
    said = [row for row in rows if row.relevant in (0, 1)]
    unsure = sum(row.label == UNSURE for row in rows)
    lines = [f"{labels}: {len(said)} of {len(rows)} labelled, {unsure} unsure"]
    if not said:
        return [*lines, "Nothing to report before there are labels."]
    weights = [weight for weight in weights_of(rows) if weight]
    estimate = gold_rate([row.relevant == 1 for row in said], weights=weights, queries=_queries(said))
    lines += ["", f"Rate of false negatives among all candidates: {_rate(estimate)}", "", *_agreement(said)]
    try:
        foretold = FalseNegativeBudget(str(labels)).predict_proba(examples)
    except EvaluationError as error:
        return [*lines, "", f"No model of P(false negative): {error}"]
    return [*lines, "", *_reliability(foretold), "", *_budgets(foretold)]


def _queries(rows: Sequence[LabelRow]) -> list[str] | None:
    ids = [row.query_id for row in rows]
    return ids if len(set(ids)) > 1 else None


def _rate(estimate: RateEstimate) -> str:
    return f"{estimate.rate:.1%} (95 % interval {estimate.low:.1%} to {estimate.high:.1%}, {estimate.gold} labels)"


def _agreement(rows: Sequence[LabelRow]) -> list[str]:
    decided = [row for row in rows if row.verdict in (FALSE_NEGATIVE, HARD_NEGATIVE, EASY_NEGATIVE)]
    if not decided:
        return ["Judge: no verdict on any labelled candidate."]
    judge = np.array([row.verdict == FALSE_NEGATIVE for row in decided])
    human = np.array([row.relevant == 1 for row in decided])
    lines = [
        f"Judge and person agree on {np.mean(judge == human):.1%} of {len(decided)} pairs, kappa "
        f"{kappa(judge, human):.2f}:"
    ]
    shares = {
        "found of the false negatives": judge[human],
        "passed of the true negatives": ~judge[~human],
        "false negatives among what it passes": human[~judge],
    }
    return lines + [f"  {name}: {_rate(gold_rate(values))}" for name, values in shares.items() if len(values)]


def _reliability(foretold: Predictions) -> list[str]:
    probability, labels, _, _ = foretold.known()
    lines = ["P(false negative) by a model that did not see the query, and what the labels say:"]
    lines.append(f"  {'P':>12}  {'labels':>6}  {'predicted':>9}  {'observed':>8}")
    for row in reliability(probability, labels):
        between = f"{row.observed_low:.1%} to {row.observed_high:.1%}"
        lines.append(
            f"  {row.low:5.2f} - {row.high:4.2f}  {row.count:6}  {row.predicted:9.1%}  {row.observed:8.1%}  [{between}]"
        )
    return lines


def _budgets(foretold: Predictions) -> list[str]:
    kept = foretold.probability[~np.isnan(foretold.probability)]
    lines = ["Budgets, by the upper bound of the rate (95 %):"]
    probability, labels, queries, weights = foretold.known()
    for budget, choice in budget_choices(probability, labels, queries, BUDGETS, weights).items():
        if choice is None:
            lines.append(
                f"  {budget:4.0%}  not to be shown with {len(labels):,} labels: it takes at least "
                f"{fewest_labels(budget):,} kept ones without any false negative"
            )
            continue
        count = int((kept <= choice.threshold).sum())
        lines.append(
            f"  {budget:4.0%}  keeps {count:,} of {len(kept):,} candidates (P up to {choice.threshold:.3f}); rate "
            f"{choice.rate:.1%}, at most {choice.upper:.1%}; loses {choice.lost:.0%} of the true negatives"
        )
    return lines
