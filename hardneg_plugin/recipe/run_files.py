"""The files of a run folder by name: these are removed when a run is made anew, and nothing else is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.outputs import remove_empty, remove_written

_SEED = r"systems/[^/]+/seed-\d+"
# What other libraries write goes with its folder where its files have no names of ours: a checkpoint, a half-written
# model. A finished folder of such files has a mark that names them.
_OURS = re.compile(
    r"(recipe\.yaml|(manifest|results|leakage)\.json|per_query\.parquet|report\.(md|html)|plots/[^/]+\.(png|svg)"
    r"|lines/[^/]+/evaluation-[^/]+\.json"
    r"|stages/[^/]+/((part|rejected|llm)-\d{5}\.[a-z0-9.]+|counts\.json|DONE)"
    rf"|{_SEED}/(stages\.json|training\.json|fingerprint|evaluation-[^/]+\.json)"
    rf"|{_SEED}/triplets/(data-\d+-of-\d+\.arrow|dataset_info\.json|state\.json|fingerprint|\.shards/part-\d+\.arrow)"
    rf"|{_SEED}/stages/(mined-\d+\.(npz|json)|clusters\.npy)"
    rf"|{_SEED}/(checkpoints/(checkpoint-\d+|runs)|model\.partial)/.+"
    r"|([^/]+/)*\.[^/]+\.partial(/.+)?)"
)


def refuse_links(folder: Path) -> None:
    """Refuse a run folder with links in it: what is written through one would land elsewhere.

    :raises WorkspaceError: With the first link.
    """
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            link = Path(parent) / name
            if link.is_symlink():
                msg = f"{link} is a link, and hardneg writes through none in a run folder; remove it or copy its target"
                raise WorkspaceError(msg)


def remove_run_files(run: Path) -> None:
    """Remove the files that hardneg wrote into a run folder, and folders that are empty then.

    :param run: The run folder, without links in it.
    """
    for parent, folders, files in os.walk(run, topdown=False):
        position = Path(parent)
        for name in files:
            if _OURS.fullmatch((position / name).relative_to(run).as_posix()):
                (position / name).unlink()
        for name in folders:
            remove_written(position / name)
            remove_empty(position / name)


def refuse_others(folder: Path) -> None:
    """Refuse to replace a folder in which others left files.

    :raises WorkspaceError: If the folder is still there after what hardneg wrote is gone.
    """
    if folder.exists():
        names = ", ".join(sorted(path.name for path in folder.iterdir()))
        msg = f"{folder} must be written anew and holds what hardneg did not write ({names}); move it elsewhere"
        raise WorkspaceError(msg)
