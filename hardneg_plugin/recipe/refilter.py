"""Other margins, labels, samples and shapes for a run that is mined already, without any model.

Scores and verdicts of a run stand in the parts of its stages. From the first stage that changes on, filters, rankers
and samplers are run again on them; what a model said is taken from the parts, never asked anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hardneg_plugin.components import stage_class
from hardneg_plugin.errors import RecipeError, WorkspaceError
from hardneg_plugin.recipe.check import parameters_of
from hardneg_plugin.recipe.engine import StoredShards
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.recipe.schema import Recipe, Stage
from hardneg_plugin.recipe.stages import build_stage, filled_parameters, stage_params
from hardneg_plugin.recipe.workspace import StageFolder, Workspace
from hardneg_plugin.records import CandidateTable, MiningExample, table_of
from hardneg_plugin.records.parquet import read_candidates
from hardneg_plugin.records.table import concat

Examples = list[MiningExample]
# A component that takes one of these finds or writes candidates, or asks a model.
_NEEDS_MORE = ("corpus", "retriever", "model", "chat_generator")


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
    stored, parts = Workspace(run).stages(name, used)
    first = _first_change(old.systems[name], new.systems[name])
    again = new.systems[name][first:]
    _check(name, again, old.systems[name], first)
    shards: Iterable[Examples] = StoredShards(stored[first - 1], parts) if first else ()
    behind = list(zip(old.systems[name], stored, strict=True))[first:]
    for stage in again:
        earlier = next((place for place, (known, _) in enumerate(behind) if known.name == stage.name), None)
        before = None if earlier is None else behind.pop(earlier)[1]
        shards = _again(stage, stage_params(stage, {**filled_parameters(new), "seed": used}), shards, before)
    finished = tuple(shards)
    counts = stored[-1].counts()
    outcomes = +Counter({"": counts["kept"], **counts["dropped"]})
    return Refiltered(name, tuple(stage.name for stage in again), outcomes, _outcomes(finished), finished)


def _recipes(run: Path, overrides: Sequence[str]) -> tuple[Recipe, Recipe]:
    file = run / "recipe.yaml"
    if not file.is_file():
        msg = f"{run} is no run folder: it has no recipe.yaml"
        raise WorkspaceError(msg)
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
    return next((place for place, equal in enumerate(same) if not equal), min(len(old), len(new)))


def _check(system: str, again: Sequence[Stage], old: Sequence[Stage], first: int) -> None:
    errors = []
    behind = {stage.name: stage for stage in old[first:]}
    for number, stage in enumerate(again, start=first):
        cls, path = stage_class(stage.name), f"systems.{system}[{number}].{stage.name}"
        free = getattr(cls, "replayable", None)
        if free is None and not any(name in parameters_of(cls) for name in _NEEDS_MORE):
            continue
        if free is not None and "model" in stage.params and stage.params["model"] is None:
            # It uses scores that are there.
            continue
        if free is None:
            errors.append(f"{path}: it finds or writes candidates, which refilter cannot; hardneg run can")
            continue
        before = behind.get(stage.name)
        others = (
            [] if before is None else [key for key, value in stage.params.items() if before.params.get(key) != value]
        )
        if before is None:
            errors.append(f"{path}: the run has no such stage to take scores from; hardneg run can")
        for key in sorted(set(others) - set(free)):
            errors.append(
                f"{path}.{key}: decides over what was scored; without a model only {', '.join(free)} can change"
            )
    if not first:
        errors.append(f"systems.{system}[0]: the first stage finds the candidates; hardneg run can change it")
    if errors:
        raise RecipeError("\n".join(errors))


def _again(
    stage: Stage, params: dict[str, Any], shards: Iterable[Examples], before: StageFolder | None
) -> Iterator[Examples]:
    component = build_stage(stage.name, params)
    before = before if hasattr(component, "replay") else None
    if component.needs_all_examples:
        yield from _at_once(component, list(shards), before)
        return
    for number, examples in enumerate(shards):
        yield _run(component, examples, None if before is None else read_candidates(before.part(number)))


def _at_once(component: Any, shards: list[Examples], before: StageFolder | None) -> Iterator[Examples]:
    stored = None
    if before is not None:
        stored = concat([read_candidates(before.part(number)) for number in range(len(shards))])
    result = _run(component, [example for shard in shards for example in shard], stored)
    home = {example.id: number for number, shard in enumerate(shards) for example in shard}
    parts: list[Examples] = [[] for _ in shards]
    for example in result:
        parts[home[example.id]].append(example)
    yield from parts


def _run(component: Any, examples: Examples, stored: CandidateTable | None) -> Examples:
    if stored is not None:
        result: Examples = component.replay(examples=examples, stored=stored)["examples"]
        return result
    found: Examples = component.run(examples=examples)["examples"]
    return found


def _outcomes(shards: Iterable[Examples]) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for examples in shards:
        column = table_of(examples).dropped
        for code, value in enumerate(column.values):
            reasons[value] += int((column.codes == code).sum())
    return +reasons
