"""Lock a system's folder for one training, so that two recipes never mix in it."""

from __future__ import annotations

import shutil
from pathlib import Path

from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.files import write_atomically


class TrainingLock:
    """The mark of a training on its folder: written when training begins, binding once there is something to lose.

    :param folder: ``systems/<name>/seed-<seed>``, whether it exists or not.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark = folder / "fingerprint"

    def check(self, mined: str, identity: str | None) -> bool:
        """Return whether this very training is finished.

        :param mined: Fingerprint of the mined examples.
        :param identity: Fingerprint of the training; None where nothing is trained.
        :raises WorkspaceError: If the folder holds the model or checkpoints of another training.
        """
        finished = (self._folder / "model").is_dir()
        if not finished and not any((self._folder / "checkpoints").glob("checkpoint-*")):
            return False
        # Without a training only the triplets would change, under a model that was trained on others.
        mark, wanted = (self._mark, identity) if identity else (self._folder / "triplets" / "fingerprint", mined)
        if not mark.is_file() or mark.read_bytes() != wanted.encode():
            msg = (
                f"{self._folder} holds a training from another recipe or other data, as {mark} says; --set name=… "
                "makes another run folder, --if-exists overwrite starts this one anew"
            )
            raise WorkspaceError(msg)
        return finished and identity is not None

    def take(self, identity: str) -> None:
        """Mark the folder as that of a training; what an earlier one left before its first checkpoint goes.

        :param identity: Fingerprint of the training, which :meth:`check` has let pass.
        """
        if self._mark.is_file() and self._mark.read_bytes() == identity.encode():
            return
        (self._folder / "training.json").unlink(missing_ok=True)
        shutil.rmtree(self._folder / "model.partial", ignore_errors=True)
        write_atomically(self._mark, identity)
