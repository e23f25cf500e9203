"""Other margins, labels, samples and shapes for a run that is mined already, without any model.

Scores and verdicts of a run stand in the parts of its stages. From the first stage that changes on, filters, rankers
and samplers are run again on them; what a model said is taken from the parts, never asked anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from hardneg_plugin.components import stage_class
from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.errors import RecipeError, WorkspaceError
from hardneg_plugin.recipe.json_files import written_text
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.recipe.schema import Recipe, Stage
from hardneg_plugin.recipe.stages import build_stage, filled_parameters, stage_params
from hardneg_plugin.records import CandidateTable, MiningExample, table_of
from hardneg_plugin.records.parquet import read_candidates
from hardneg_plugin.records.table import concat
from hardneg_plugin.run.local import StoredShards, by_shard
from hardneg_plugin.run.mining import with_trained_model
from hardneg_plugin.run.workspace import StageFolder, Workspace
from hardneg_plugin.validation import parameters_of

Examples = list[MiningExample]
# A component that takes one of these finds candidates.
_MINES = ("corpus", "retriever")
_ASKS = "chat_generator"


@dataclass(frozen=True)
class Refiltered:
    """A system of a run under other settings.

    :param system: Name of the system.
    :param again: Stages that were run again, in order.
    :param before: Outcome of each candidate in the run, by reason (empty: kept) → candidates.
    :param after: The same under the other settings.
    :param shards: The examples, shard by shard.
    """

    system: str
    again: tuple[str, ...]
    before: Counter[str]
    after: Counter[str]
    shards: tuple[Examples, ...]


def refilter(
    run: Path, overrides: Sequence[str] = (), *, system: str | None = None, seed: int | None = None
) -> Refiltered:
    """Apply other settings to the stored candidates of a finished run.

    What comes out is what mining with these settings gives. Only verdicts of a language model may differ from it: a
    candidate keeps the one it was given among those it was shown with.

    :param run: Run folder.
    :param overrides: ``dotted.key=value`` pairs, as ``hardneg run --set`` takes them; stages of the system alone.
    :param system: Name of the system; needed where the run has several that mine.
    :param seed: Seed of the run; None takes its first.
    :raises RecipeError: If something else than filters, rankers and samplers would change.
    :raises WorkspaceError: If it is no run folder, or the system is not mined to its end.
    :raises RecordError: If a candidate that would now be scored or judged never was.
    """
    old, new = _recipes(run, overrides)
    name = _system_of(old, system)
    used = old.seeds[0] if seed is None else seed
    if used not in old.seeds:
        msg = f"{run}: no seed {used}; seeds of the run: {', '.join(map(str, old.seeds))}"
        raise WorkspaceError(msg)
    workspace = Workspace(run)
    folders, parts = workspace.stages(name, used)
    before = old.systems[name]
    first = _first_change(before, new.systems[name])
    pairs = _paired(new.systems[name][first:], before[first:], folders[first:])
    _check(f"systems.{name}", pairs, first)
    shards: Iterable[Examples] = StoredShards(folders[first - 1], parts)
    for pair in pairs:
        params = stage_params(pair.stage, {**filled_parameters(new), "seed": used})
        shards = _again(pair, with_trained_model(params, workspace, used), shards)
    finished = tuple(shards)
    counts = folders[-1].counts()
    outcomes = +Counter({"": counts["kept"], **counts["dropped"]})
    return Refiltered(name, tuple(pair.stage.name for pair in pairs), outcomes, _outcomes(finished), finished)


def _recipes(run: Path, overrides: Sequence[str]) -> tuple[Recipe, Recipe]:
    file = run / "recipe.yaml"
    if not file.is_file():
        msg = f"{run} is no run folder: it has no recipe.yaml"
        raise WorkspaceError(msg)
    written_text(file)
    old, new = load_recipe(str(file)), load_recipe(str(file), overrides)
    if replace(new, systems=old.systems) != old:
        changed = [key for key, value in new.to_dict().items() if key != "systems" and value != old.to_dict()[key]]
        msg = f"refilter changes stages alone, not {', '.join(changed)}; hardneg run mines with other data or models"
        raise RecipeError(msg)
    return old, new


def _system_of(recipe: Recipe, system: str | None) -> str:
    mining = [name for name, stages in recipe.systems.items() if stages]
    if system is None and len(mining) == 1:
        return mining[0]
    if system is None or system not in mining:
        what = "name one of the systems that mine" if system is None else f"no system {system!r} that mines"
        msg = f"{recipe.name}: {what}: {', '.join(mining) or 'none'}"
        raise WorkspaceError(msg)
    return system


def _first_change(old: Sequence[Stage], new: Sequence[Stage]) -> int:
    """Return the number of the first stage that is another one; past the end where none is."""
    same = (before == after for before, after in zip(old, new, strict=False))
    return next((position for position, equal in enumerate(same) if not equal), min(len(old), len(new)))


class _Pair(NamedTuple):
    """A stage to run again, and the run's stage whose scores or verdicts it uses, with the folder of its parts."""

    stage: Stage
    earlier: Stage | None
    folder: StageFolder | None


def _paired(again: Sequence[Stage], before: Sequence[Stage], folders: Sequence[StageFolder]) -> list[_Pair]:
    """Pair each stage with the next of its name in the run."""
    left = list(zip(before, folders, strict=True))
    pairs = []
    for stage in again:
        position = next((position for position, (known, _) in enumerate(left) if known.name == stage.name), None)
        earlier, folder = (None, None) if position is None else left.pop(position)
        pairs.append(_Pair(stage, earlier, folder))
    return pairs


def _check(path: str, pairs: Sequence[_Pair], first: int) -> None:
    errors = [] if first else [f"{path}[0]: the first stage finds the candidates; hardneg run can change it"]
    for number, pair in enumerate(pairs, start=first):
        errors += [f"{path}[{number}].{pair.stage.name}{error}" for error in _errors(pair)]
    if errors:
        raise RecipeError("\n".join(errors))


def _errors(pair: _Pair) -> list[str]:
    cls = stage_class(pair.stage.name)
    taken, free = parameters_of(cls), cls.replayable
    if any(name in taken for name in _MINES) or (_ASKS in taken and free is None):
        return [": it finds or writes candidates, which refilter cannot; hardneg run can"]
    if pair.stage.params.get("model") is None and _ASKS not in taken:
        return []
    if free is None:
        return [".model: what it says of candidates is not stored; hardneg run can ask it"]
    if pair.earlier is None:
        return [": the run has no such stage to take scores from; hardneg run can"]
    before = pair.earlier.params
    fixed = sorted(key for key, value in pair.stage.params.items() if key not in free and before.get(key) != value)
    return [f".{key}: decides over what was scored; without a model only {', '.join(free)} can change" for key in fixed]


def _again(pair: _Pair, params: dict[str, Any], shards: Iterable[Examples]) -> Iterator[Examples]:
    component = build_stage(pair.stage.name, params)
    folder = pair.folder if component.replayable is not None else None
    if component.needs_all_examples:
        whole = list(shards)
        stored = None if folder is None else concat([_stored(folder, number) for number in range(len(whole))])
        yield from by_shard(_run(component, list(chain.from_iterable(whole)), stored), whole)
        return
    for number, examples in enumerate(shards):
        yield _run(component, examples, None if folder is None else _stored(folder, number))


def _stored(folder: StageFolder, number: int) -> CandidateTable:
    return read_candidates(folder.part(number))


def _run(component: StageComponent, examples: Examples, stored: CandidateTable | None) -> Examples:
    result = component.run(examples=examples) if stored is None else component.replay(examples=examples, stored=stored)
    return result["examples"]


def _outcomes(shards: Iterable[Examples]) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for examples in shards:
        column = table_of(examples).dropped
        for code, value in enumerate(column.values):
            reasons[value] += int((column.codes == code).sum())
    return +reasons
