"""The stages of a training as it runs: enter each with its negatives, and keep what was mined until it is finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from hardneg_plugin.checksums import append_checksum, array_checksum, sealed, unsealed
from hardneg_plugin.errors import TrainingError
from hardneg_plugin.files import atomic_path, write_atomically
from hardneg_plugin.training.columns import ROW, LevelledKeys, TextKeys, TrainingColumns
from hardneg_plugin.training.phase_batches import StageBatches
from hardneg_plugin.training.refresh import Curriculum, Mined, Refresh, StagePlan

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCH = 256
T = TypeVar("T")


class StageNegatives:
    """Source of a row's negatives for the collator: the table, a window of it, or newly mined ones.

    :param columns: Where the table's texts are.
    """

    def __init__(self, columns: TrainingColumns) -> None:
        self._columns = columns
        self._window: Callable[[int], slice] | None = None
        self._mined: npt.NDArray[np.int64] | None = None
        self._texts: Mapping[int, str] = {}

    def move(self, window: Callable[[int], slice]) -> None:
        """Take some of the table's, by their number."""
        self._window = window

    def replace(self, rows: npt.NDArray[np.int64], texts: Mapping[int, str]) -> None:
        """Take what was mined: passages of each row, -1 behind the last, and their texts."""
        self._mined, self._texts = rows, texts

    def negatives_of(self, row: Mapping[str, Any]) -> list[str]:
        """Return the negatives that a row has now."""
        if self._mined is not None:
            passages = self._mined[row[ROW]]
            return [self._texts[passage] for passage in passages[passages >= 0].tolist()]
        negatives = self._columns.negatives_of(row)
        return negatives if self._window is None else negatives[self._window(len(negatives))]


class RefreshSchedule:
    """Enters the stages of a training.

    :param plan: The stages.
    :param keys: Hashes of the table's texts.
    :param anchors: The anchor of each row.
    :param batches: What is packed anew for a stage.
    :param negatives: What the collator reads.
    :param folder: Where what was mined, and the clusters, are kept.
    :param seed: Seed of the clusters.
    """

    def __init__(
        self,
        plan: StagePlan,
        keys: TextKeys,
        anchors: list[str],
        batches: StageBatches,
        negatives: StageNegatives,
        folder: Path,
        seed: int,
    ) -> None:
        self._plan, self._keys, self._anchors = plan, keys, anchors
        self._batches, self._negatives, self._folder, self._seed = batches, negatives, folder, seed

    def begin(self, model: SentenceTransformer, step: int) -> None:
        """Prepare what the weights before the first step decide over.

        :param model: The model with these weights.
        :param step: Steps of the checkpoint that the training goes on from, or 0.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        # What was mined behind the checkpoint came from steps that are taken again.
        for path in self._folder.glob("mined-*"):
            if not step or int(path.stem.rpartition("-")[2]) * self._plan.steps > step:
                path.unlink()
        if self._plan.clusters is not None:
            self._batches.group(self._clusters(model, fresh=not step))
        if self._plan.refresh is not None:
            self._plan.refresh.miner.begin(model)

    def enter(self, step: int, model: SentenceTransformer) -> None:
        """Take the negatives of the stage that begins, or goes on, after some steps."""
        stage = step // self._plan.steps
        if curriculum := self._plan.curriculum:
            self._move(curriculum, stage)
        if (refresh := self._plan.refresh) and stage:
            self._refresh(refresh, stage, model)

    def facts(self) -> tuple[dict[str, Any], ...]:
        """Return how the hard set moved, look by look."""
        return tuple(self._facts(path) for path in sorted(self._folder.glob("mined-*.json")))

    def _move(self, curriculum: Curriculum, stage: int) -> None:
        self._negatives.move(lambda count: curriculum.window(count, stage))
        self._batches.change(curriculum.keys(self._keys, stage))

    def _refresh(self, refresh: Refresh, stage: int, model: SentenceTransformer) -> None:
        mined = self._load(stage)
        if mined is None:
            mined = _in_evaluation(model, lambda: refresh.miner.mine(model, self._load(stage - 1)))
            self._save(stage, mined)
        passages = np.unique(mined.rows[mined.rows >= 0])
        texts = dict(zip(passages.tolist(), refresh.miner.texts(passages), strict=True))
        self._negatives.replace(mined.rows, texts)
        counts = (mined.rows >= 0).sum(axis=1)
        hashes = dict(zip(texts, LevelledKeys().of(list(texts.values())), strict=True))
        negatives = np.array([hashes[passage] for passage in mined.rows[mined.rows >= 0].tolist()], np.uint64)
        offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        self._batches.change(TextKeys(self._keys.own, negatives, offsets))

    def _load(self, stage: int) -> Mined | None:
        path = self._path(stage)
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return Mined(arrays["rows"], arrays["found"], self._facts(path.with_suffix(".json")))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise self._damaged(path, error) from error

    def _facts(self, path: Path) -> dict[str, Any]:
        try:
            return unsealed(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            raise self._damaged(path, error) from error

    def _damaged(self, path: Path, error: object) -> TrainingError:
        root = self._folder.parent
        return TrainingError(f"{path} is damaged ({error}); remove {root} and start again: it is trained anew")

    def _save(self, stage: int, mined: Mined) -> None:
        path = self._path(stage)
        facts = {"step": stage * self._plan.steps, **mined.facts}
        write_atomically(path.with_suffix(".json"), json.dumps(sealed(facts), indent=2) + "\n")
        # The table comes last: with it the look is whole.
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez(file, rows=mined.rows, found=mined.found)

    def _path(self, stage: int) -> Path:
        return self._folder / f"mined-{stage:06d}.npz"

    def _clusters(self, model: SentenceTransformer, *, fresh: bool) -> npt.NDArray[np.int64]:
        from hardneg_plugin.search.clusters import cluster_vectors
        from hardneg_plugin.search.dense.search import encode

        path = self._folder / "clusters.npy"
        if not fresh and path.is_file():
            try:
                kept: npt.NDArray[np.int64] = np.load(path, allow_pickle=False)
                if array_checksum(path) is False or len(kept) != len(self._anchors):
                    raise self._damaged(path, "it does not hold what was written")
            except (OSError, ValueError, EOFError) as error:
                raise self._damaged(path, error) from error
            return kept
        position = {anchor: number for number, anchor in enumerate(dict.fromkeys(self._anchors))}
        vectors = _in_evaluation(model, lambda: encode(model, list(position), kind="query", batch_size=_BATCH))
        found = cluster_vectors(vectors, self._plan.clusters or 0, self._seed)
        clusters = found[[position[anchor] for anchor in self._anchors]]
        with atomic_path(path) as partial:
            with partial.open("wb") as file:
                np.save(file, clusters)
            append_checksum(partial)
        return clusters


def _in_evaluation(model: SentenceTransformer, work: Callable[[], T]) -> T:
    """Do something without dropout, and leave the model as it was."""
    training = model.training
    model.eval()
    try:
        return work()
    finally:
        model.train(training)
