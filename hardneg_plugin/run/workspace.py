"""The run folder: the only module that invents paths in it.

Only finished things have their final name: parts and folders are written beside their place and renamed. So a run can
be killed at any moment, and what is there when it starts again is whole.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock, Timeout

from hardneg_plugin.checksums import folder_fault, seal_folder
from hardneg_plugin.errors import ParameterError, WorkspaceError
from hardneg_plugin.outputs import mark_written, remove_written
from hardneg_plugin.recipe.json_files import holds, read_json, write_json, write_text
from hardneg_plugin.recipe.layout import MARKER, check_layout, is_half_marked, mark_layout
from hardneg_plugin.recipe.run_files import refuse_links, refuse_others, remove_run_files
from hardneg_plugin.records.parquet import parquet_fault
from hardneg_plugin.run.training_lock import TrainingLock
from hardneg_plugin.training.folder import TrainingFolder

# A path takes one of the two slashes of a URL.
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
IfExists = Literal["reuse", "overwrite", "error"]
DONE = "DONE"
_STAGES = "stages.json"
LOCK = ".lock"
"""What two runs at the same time cannot both hold."""
_COUNTED = ("candidates", "kept", "dropped", "positives", "rejected")
__all__ = ["IfExists", "StageFolder", "Workspace", "read_json", "write_json", "write_text"]

logger = logging.getLogger(__name__)


class StageFolder:
    """Parts of one stage: ``part-00000.parquet`` …, ``counts.json``, and the empty file ``DONE`` written last."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def part(self, number: int) -> Path:
        """Return the file of a shard."""
        return self.path / f"part-{number:05}.parquet"

    def rejected(self, number: int) -> Path:
        """Return the file of the examples that a filter took out of a shard."""
        return self.path / f"rejected-{number:05}.parquet"

    def usage(self, number: int) -> Path:
        """Return the file that says what a shard asked of a language model."""
        return self.path / f"llm-{number:05}.json"

    def done(self, parts: int) -> bool:
        """Tell whether the stage is finished and all its parts are as they were written."""
        return (self.path / DONE).is_file() and not self.count_fault() and not self.faults(parts)

    def faults(self, parts: int) -> dict[int, str]:
        """Return the faults of missing or damaged parts, or of the examples rejected from them, by part number."""
        faults = {}
        for number in range(parts):
            part, rejected = self.part(number), self.rejected(number)
            fault = parquet_fault(part) if part.is_file() else f"{part} is missing"
            if fault := fault or (parquet_fault(rejected) if rejected.is_file() else ""):
                faults[number] = fault
        return faults

    def count_fault(self) -> str:
        """Return the fault of the counts; empty where they are sound."""
        try:
            self.counts()
        except WorkspaceError as error:
            return str(error)
        return ""

    def finish(self, counts: Mapping[str, Any]) -> None:
        """Write the counts and mark the stage as done."""
        write_json(self.path / "counts.json", counts)
        (self.path / DONE).touch()

    def counts(self) -> dict[str, Any]:
        """Return what :meth:`finish` was given."""
        return read_json(self.path / "counts.json", *_COUNTED)


class Workspace:
    """Paths and writes of one run folder; as a context manager, it gives up the folder's lock at the end.

    :param folder: ``runs/<name>``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A lock of the operating system: it ends with the process, however that ends.
        self._lock = FileLock(folder / LOCK)

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @classmethod
    def open(cls, folder: Path, if_exists: IfExists) -> Workspace:
        """Create the folder or take one that exists, and lock it.

        :param folder: The run folder.
        :param if_exists: ``reuse`` goes on where an earlier run stopped, ``overwrite`` removes its
            files by name and leaves those of others, ``error`` refuses.
        :raises WorkspaceError: If it exists and must not, is something else than a run folder, cannot be written, or
            another run is using it.
        """
        if if_exists not in get_args(IfExists):
            msg = f"if_exists must be one of {', '.join(get_args(IfExists))}; got {if_exists!r}"
            raise ParameterError(msg)
        if _ELSEWHERE.match(str(folder)):
            msg = (
                f"{folder}: a run folder needs a file system with locks and renames; mount it, or copy the finished "
                "folder there (datasets may lie on any file system of fsspec)"
            )
            raise WorkspaceError(msg)
        try:
            str(folder.absolute()).encode()
        except UnicodeEncodeError as error:
            msg = f"{str(folder.absolute())!r} is not UTF-8, and results name it; choose another --runs folder"
            raise WorkspaceError(msg) from error
        workspace = cls(folder)
        try:
            workspace._check(if_exists)
            folder.mkdir(parents=True, exist_ok=True)
            workspace._lock.acquire(timeout=0)
            if if_exists == "overwrite":
                remove_run_files(folder)
            mark_layout(folder)
        except Timeout as error:
            msg = f"another hardneg run is using {folder}; wait for its end, or --set name=… makes another run folder"
            raise WorkspaceError(msg) from error
        except OSError as error:
            msg = f"cannot write the run folder {folder}: {error}; choose another --runs folder"
            raise WorkspaceError(msg) from error
        return workspace

    def _check(self, if_exists: IfExists) -> None:
        if not self.folder.exists():
            return
        if not self.folder.is_dir():
            msg = f"{self.folder} is a file; choose another --runs folder or name"
            raise WorkspaceError(msg)
        if not any(self.folder.iterdir()):
            return
        others = [path for path in self.folder.iterdir() if path.name != LOCK and not is_half_marked(path)]
        if not (self.folder / MARKER).is_file() and others:
            msg = f"{self.folder} exists and is no run folder (no {MARKER}); choose another --runs folder or name"
            raise WorkspaceError(msg)
        refuse_links(self.folder)
        if if_exists == "reuse":
            check_layout(self.folder)
        if if_exists == "error":
            choices = "--if-exists reuse goes on with it, overwrite starts anew, --set name=… makes another"
            msg = f"{self.folder} exists; {choices}"
            raise WorkspaceError(msg)

    @property
    def recipe_file(self) -> Path:
        """The resolved recipe."""
        return self.folder / "recipe.yaml"

    @property
    def manifest_file(self) -> Path:
        """Versions, seeds, fingerprints, timings, peak memory and counts."""
        return self.folder / "manifest.json"

    def stage(self, name: str, fingerprint: str) -> StageFolder:
        """Return the folder of a stage; systems that share a stage share its folder."""
        path = self.folder / "stages" / f"{name}-{fingerprint}"
        path.mkdir(parents=True, exist_ok=True)
        return StageFolder(path)

    def system(self, name: str, seed: int) -> Path:
        """Return the folder of a system's training run."""
        path = self._system(name, seed)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def claim(self, name: str, seed: int) -> TrainingLock:
        """Return the mark that tells which training a system's folder belongs to."""
        return TrainingLock(self._system(name, seed))

    def _system(self, name: str, seed: int) -> Path:
        return self.folder / "systems" / name / f"seed-{seed}"

    def record_stages(self, name: str, seed: int, folders: Sequence[StageFolder], parts: int) -> None:
        """Write down by which stages a system was mined, in order."""
        stages = {"folders": [folder.path.name for folder in folders], "parts": parts}
        file = self.system(name, seed) / _STAGES
        if not holds(file, stages):
            write_json(file, stages)

    def trainings(self) -> list[tuple[str, int]]:
        """Return the systems that are mined to their end, each with its seeds."""
        positions = [path.parent for path in self.folder.glob(f"systems/*/seed-*/{_STAGES}")]
        return sorted((position.parent.name, int(position.name.removeprefix("seed-"))) for position in positions)

    def stages(self, name: str, seed: int) -> tuple[list[StageFolder], int]:
        """Return the folders of the stages that a system was mined by, and how many parts each has.

        :raises WorkspaceError: If it is not mined to its end, parts are gone since, or another version made them.
        """
        check_layout(self.folder)
        file = self._system(name, seed) / _STAGES
        if not file.is_file():
            known = ", ".join(f"{system}/seed-{number}" for system, number in self.trainings()) or "none"
            msg = f"{self.folder}: {name}/seed-{seed} is not mined to its end; those that are: {known}"
            raise WorkspaceError(msg)
        known_stages = read_json(file, "folders", "parts")
        folders = [StageFolder(self.folder / "stages" / folder) for folder in known_stages["folders"]]
        for folder in folders:
            fault = folder.count_fault() or next(iter(folder.faults(known_stages["parts"]).values()), "")
            if fault or not (folder.path / DONE).is_file():
                msg = f"{fault or f'{folder.path} is not finished'}; hardneg run computes again what is not sound"
                raise WorkspaceError(msg)
        return folders, int(known_stages["parts"])

    def mined(self, name: str, seed: int) -> list[Path]:
        """Return the parts of the last stage of a system; none where it has no stages.

        :raises WorkspaceError: As :meth:`stages`.
        """
        folders, parts = self.stages(name, seed)
        return [folders[-1].part(number) for number in range(parts)] if folders else []

    def evaluation(self, name: str, seed: int | None, label: str) -> Path:
        """Return the file of a measured line; lines without a seed are not trained.

        :param label: What it was measured on, such as ``test`` or ``tydi/sw``.
        """
        folder = self.system(name, seed) if seed is not None else self.folder / "lines" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"evaluation-{re.sub('[^A-Za-z0-9._-]', '-', label)}.json"

    def trained(self, name: str, seed: int) -> bool:
        """Tell whether a system has a finished model."""
        return (self._system(name, seed) / "model").is_dir()

    def trained_model(self, name: str, seed: int) -> str:
        """Return the folder of a system's finished model.

        :raises WorkspaceError: If it is not trained yet.
        :raises TrainingError: If it is damaged.
        """
        if not self.trained(name, seed):
            msg = f"system {name!r}, seed {seed}, is not trained yet; a system can use the models of those before it"
            raise WorkspaceError(msg)
        folder = TrainingFolder(self.system(name, seed))
        folder.check_model()
        return str(folder.model)

    def remember(self, path: Path, fingerprint: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the content of a JSON file if it was computed from the same things, else compute and write it."""
        if path.is_file():
            try:
                known = read_json(path)
            except WorkspaceError as error:
                logger.warning("%s; it is computed again", error)
                known = {}
            if known.get("fingerprint") == fingerprint:
                return known
        value = {"fingerprint": fingerprint, **compute()}
        write_json(path, value)
        return value

    def replace_folder(self, path: Path, fingerprint: str, build: Callable[[Path], None]) -> None:
        """Build a folder unless the one that is there was built from the same things."""
        mark = path / "fingerprint"
        if mark.is_file() and mark.read_bytes() == fingerprint.encode():
            if not (fault := folder_fault(path)):
                return
            logger.warning("%s; it is written again", fault)
        staged = path.with_name(f".{path.name}.partial")
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        build(staged)
        (staged / "fingerprint").write_text(fingerprint, "utf-8")
        seal_folder(staged)
        mark_written(staged)
        remove_written(path)
        refuse_others(path)
        staged.rename(path)
