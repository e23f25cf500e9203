"""The folder of one training: its record, its checkpoints and its model."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardneg_plugin.checksums import fault_of, folder_fault, sealed, sums_of, unsealed
from hardneg_plugin.errors import TrainingError
from hardneg_plugin.files import write_atomically
from hardneg_plugin.outputs import mark_written, remove_written
from hardneg_plugin.training.result import TrainingResult

_STATE = "trainer_state.json"  # transformers writes it last into a checkpoint

logger = logging.getLogger(__name__)


class TrainingFolder:
    """``training.json`` (settings, then the result), ``model/`` once it is done.

    While it trains, ``checkpoints/``, and ``stages/`` where its negatives or batches are made by a model.

    :param root: The folder; made when the training starts.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.model = root / "model"
        self.checkpoints = root / "checkpoints"
        self.partial = root / "model.partial"
        self.stages = root / "stages"
        self._record = root / "training.json"

    def open(self, settings: Mapping[str, Any], *, resume: bool) -> TrainingResult | None:
        """Look whether this training is finished already, or may go on here; write nothing.

        :param settings: Everything that decides over the trained weights, in JSON values.
        :param resume: Go on with what is there; else remove it and begin anew.
        :returns: The result, if this very training is already finished.
        :raises TrainingError: If the folder holds a training with other settings, or a model of unknown origin.
        """
        if not resume:
            self._clear()
        record = self._read()
        if record is None:
            if self.model.exists() or self.checkpoints.exists():
                msg = f"{self.root} holds a model or checkpoints, but no {self._record.name}; choose another folder"
                raise TrainingError(msg)
            return None
        self._check_same(record["settings"], settings)
        if record["result"] is None or not self.model.is_dir():
            return None
        self.check_model()
        return TrainingResult.from_dict(record["result"], self.model)

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Record what is about to be trained, so that only the same training goes on from its checkpoints."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._write({"settings": settings, "result": None})

    def last_checkpoint(self) -> Path | None:
        """Return the newest sound checkpoint.

        One that is damaged, or was being written when the training was killed, is removed.
        """
        found = sorted(
            self.checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True
        )
        for checkpoint in found:
            fault = folder_fault(checkpoint)
            if _is_json(checkpoint / _STATE) and not fault:
                return checkpoint
            if fault:
                logger.warning("%s; training goes on from what is before it", fault)
            shutil.rmtree(checkpoint)
        return None

    def staged_model(self) -> Path:
        """Return an empty folder to write the model into, before :meth:`finish` puts it in place."""
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)
        return self.partial

    def finish(self, settings: Mapping[str, Any], result: TrainingResult) -> None:
        """Put the staged model in place by one rename, record the result and remove the checkpoints."""
        mark_written(self.partial)
        self._remove_model()
        self.partial.rename(self.model)
        files = sums_of(self.model, _counts)
        self._write({"settings": settings, "result": result.to_dict(), "files": files})
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        shutil.rmtree(self.stages, ignore_errors=True)

    def check_model(self) -> None:
        """Check that the files of the finished model are as they were written, but for its card.

        :raises TrainingError: If one is missing or damaged.
        """
        record = self._read()
        if record is not None and (fault := fault_of(self.model, record.get("files") or {})):
            msg = f"{fault}; put it back from a copy, or remove {self.root} and start again: it is trained anew"
            raise TrainingError(msg)

    def _clear(self) -> None:
        # The record goes last: without it the rest could not be told from somebody else's files.
        if self._record.exists():
            self._remove_model()
            for folder in (self.partial, self.checkpoints, self.stages):
                shutil.rmtree(folder, ignore_errors=True)
        self._record.unlink(missing_ok=True)

    def _remove_model(self) -> None:
        remove_written(self.model)
        if self.model.exists():
            msg = f"{self.model} holds what hardneg did not write, and is not replaced; choose another folder"
            raise TrainingError(msg)

    def _read(self) -> dict[str, Any] | None:
        try:
            record = unsealed(json.loads(self._record.read_text(encoding="utf-8")))
            settings, _ = record["settings"], record["result"]
            if not isinstance(settings, dict):
                msg = "it has no settings"
                raise TypeError(msg)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            msg = f"{self._record} is damaged: {error}; remove {self.root}, or set resume to false: it is trained anew"
            raise TrainingError(msg) from error
        return record

    def _write(self, record: Mapping[str, Any]) -> None:
        write_atomically(self._record, json.dumps(sealed(record), indent=2, ensure_ascii=False) + "\n")

    def _check_same(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        # What was read back from JSON has lists for tuples.
        now = json.loads(json.dumps(now))
        if changed := [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]:
            pairs = "; ".join(f"{key}: {before.get(key)!r} there, {now.get(key)!r} now" for key in changed)
            msg = f"{self.root} holds another training ({pairs}); choose another folder or set resume to false"
            raise TrainingError(msg)


def _counts(path: Path) -> bool:
    # The card is for people, who may go on writing it.
    return path.suffix != ".md"


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return True
