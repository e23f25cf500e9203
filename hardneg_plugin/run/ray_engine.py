"""The stages of a recipe as tasks of a Ray cluster (Moritz et al., 2018): one task for a shard of a stage.

A task reads its shard, computes its part and renames it into the run folder, as the local engine does, so that the
parts are the same bytes. A worker that dies takes nothing with it but the shard in its hands, which Ray gives to
another one. Run folder and cache folder have to be the same for all nodes: on one machine they are, on several they lie
on a file system that all of them mount.

Stages that ask a language model: every worker asks by itself and keeps the answers in the cache folder's file, whose
locks the file system has to support. With a budget or a recording, which belong to the run as a whole, one shard is
asked at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hardneg_plugin.cache import CACHE_VARIABLE, cache_root, fingerprint
from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.errors import HardnegError, ParameterError, WorkspaceError
from hardneg_plugin.llm.budget import Budget
from hardneg_plugin.llm.session import current_session, session
from hardneg_plugin.memory import memory_budget, memory_limit
from hardneg_plugin.recipe.stages import build_stage
from hardneg_plugin.records import MiningExample
from hardneg_plugin.run.local import (
    Shards,
    StageJob,
    StoredShards,
    compute_at_once,
    compute_part,
)
from hardneg_plugin.run.workspace import StageFolder

# How often Ray gives a shard to another worker when one dies.
_TRIES = 4
# Shards that wait at a worker, so that it never waits for the driver; more would only take memory.
_AHEAD = 2
_USAGE = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Task:
    """Task of a worker, as plain values that any node can read.

    :param name: Short name of the stage's component.
    :param params: All constructor parameters.
    :param shards: Number of the stage's shards.
    :param folder: Where parts go.
    :param cache: The cache folder.
    :param memory: Bytes that the worker stays within; None does not limit it.
    :param budget: What it may spend on a language model.
    :param record: File to which it appends every answer.
    """

    name: str
    params: Mapping[str, Any]
    shards: int
    folder: str
    cache: str
    memory: int | None
    budget: Budget
    record: str | None


class RayEngine:
    """Computes the shards of a stage on a Ray cluster: the one that ``RAY_ADDRESS`` names, else one on this machine.

    What a recipe promises as ``memory`` holds for each worker, and Ray starts no more workers on a node than its memory
    has room for.

    :raises ParameterError: If Ray is not installed.
    """

    def __init__(self) -> None:
        _ray()

    def run_shards(self, job: StageJob, numbers: Sequence[int]) -> Iterator[int]:
        """Compute the parts of some shards; yield each number when its part is there, in any order.

        :param job: The stage.
        :param numbers: The shards whose parts are missing.
        :raises HardnegError: What the component raised on a worker.
        :raises WorkspaceError: If workers died four times over the same shard.
        """
        if not numbers:
            return
        ray = _connected()
        task, compute = _task_of(job), _remote(_compute_shard)
        alone = build_stage(job.name, job.params).asks_model and _limited()
        ahead = 1 if alone else _AHEAD * int(ray.cluster_resources().get("CPU", 1))
        waiting = list(reversed(numbers))
        running: dict[Any, int] = {}
        while waiting or running:
            while waiting and len(running) < ahead:
                number = waiting.pop()
                given = task if not alone else replace(task, budget=current_session().remaining())
                running[compute.remote(given, _handed(job.shards, number), number)] = number
            for finished in ray.wait(list(running), num_returns=1)[0]:
                number = running.pop(finished)
                current_session().merge_usage(_result(finished, f"part {number} of {job.name}"))
                yield number

    def run_at_once(self, job: StageJob) -> None:
        """Compute all parts in one task.

        :param job: The stage.
        :raises HardnegError: What the component raised on the worker.
        """
        _connected()
        task = _task_of(job)
        if _limited():
            task = replace(task, budget=current_session().remaining())
        handed = [_handed(job.shards, number) for number in range(len(job.shards))]
        usage = _result(_remote(_compute_at_once).remote(task, handed), job.name)
        current_session().merge_usage(usage)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        msg = "engine: ray needs Ray, which is not installed: pip install 'hardneg[ray]'"
        raise ParameterError(msg) from error
    return ray


def _connected() -> Any:
    """Return the module of Ray, connected to a cluster."""
    ray = _ray()
    if not ray.is_initialized():
        # It would report to its makers what it is used for.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
    return ray


def _remote(function: Any) -> Any:
    """Return a function as a task: one processor core, and the promised memory of a node."""
    limit = _worker_limit()
    options = {"num_cpus": 1, "max_retries": _TRIES - 1, **({} if limit is None else {"memory": limit})}
    return _ray().remote(function).options(**options)


def _worker_limit() -> int | None:
    """Return what a worker stays within: the promise, and on nodes that are smaller, what the largest of them has."""
    limit = memory_limit()
    if limit is None:
        return None
    return min(limit, *(int(node["Resources"].get("memory", 0)) for node in _ray().nodes() if node["Alive"]))


def _task_of(job: StageJob) -> Task:
    record = current_session().record
    return Task(
        job.name,
        dict(job.params),
        len(job.shards),
        str(job.folder.path.resolve()),
        str(cache_root()),
        _worker_limit(),
        Budget(),
        None if record is None else str(record.resolve()),
    )


def _limited() -> bool:
    """Tell whether what is asked of a language model belongs to the run as a whole."""
    current = current_session()
    return current.record is not None or current.budget != Budget()


def _handed(shards: Shards, number: int) -> str | list[MiningExample]:
    """Return where a worker reads a shard, or the examples themselves, which no stage has written yet."""
    return str(shards.folder.part(number).resolve()) if isinstance(shards, StoredShards) else shards[number]


def _result(finished: Any, what: str) -> _USAGE:
    ray = _ray()
    try:
        usage: _USAGE = ray.get(finished)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, HardnegError):
            raise error.cause from error
        raise
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError) as error:
        msg = f"{what}: {_TRIES} workers died over it, the last of: {error}; what is finished is kept"
        raise WorkspaceError(msg) from error
    return usage


# What follows runs on workers.

_COMPONENT: dict[str, StageComponent] = {}


def _compute_shard(task: Task, handed: str | list[MiningExample], number: int) -> _USAGE:
    with _Worker(task) as worker:
        compute_part(worker.component, _read(handed), StageFolder(Path(task.folder)), number, task.shards)
    return worker.usage


def _compute_at_once(task: Task, handed: list[str | list[MiningExample]]) -> _USAGE:
    with _Worker(task) as worker:
        job = StageJob(task.name, task.params, [_read(one) for one in handed], StageFolder(Path(task.folder)))
        compute_at_once(worker.component, job)
    return worker.usage


def _read(handed: str | list[MiningExample]) -> list[MiningExample]:
    from hardneg_plugin.records import read_parquet

    return read_parquet(handed) if isinstance(handed, str) else handed


class _Worker:
    """The circumstances of a task: the cache folder, the promise, the session, and the component.

    :param task: The task.
    """

    def __init__(self, task: Task) -> None:
        os.environ[CACHE_VARIABLE] = task.cache
        # A worker has one core; a library that takes them all would stand in the way of the others.
        os.environ.setdefault("NUMBA_NUM_THREADS", "1")
        self._session = session(budget=task.budget, record=None if task.record is None else Path(task.record))
        self._promise = memory_budget(task.memory)
        self._task = task
        self.usage: _USAGE = {}

    def __enter__(self) -> _Worker:
        self._opened = self._session.__enter__()
        self._promise.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.usage = self._opened.usage.to_dict()
        self._promise.__exit__(*raised)
        self._session.__exit__(*raised)

    @property
    def component(self) -> StageComponent:
        """The stage's component; it stays loaded until another stage comes."""
        key = fingerprint([self._task.name, self._task.params, self._task.cache])
        if key not in _COMPONENT:
            _COMPONENT.clear()
            _COMPONENT[key] = build_stage(self._task.name, self._task.params)
        return _COMPONENT[key]
