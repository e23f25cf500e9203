"""Datasets that the library ``datasets`` stored: a folder of ``save_to_disk``, or a repository of the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hardneg_plugin.datasets.formats.raw import RawTable, open_dataset
from hardneg_plugin.errors import DatasetError


def is_stored(folder: Path) -> bool:
    """Detect a folder that ``save_to_disk`` wrote."""
    return (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()


def open_stored(folder: Path, split: str) -> RawTable:
    """Return the table of a folder of ``save_to_disk``.

    :param folder: The folder.
    :param split: Which split, where it holds several.
    :raises DatasetError: If it is damaged or has no such split.
    """
    from datasets import load_from_disk

    try:
        found = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        msg = f"{folder}: not a folder of save_to_disk that can be read: {error}"
        raise DatasetError(msg) from error
    return open_dataset(_one(found, split, str(folder)), str(folder))


def open_hub(name: str, split: str) -> RawTable:
    """Return the table of a dataset of the hub; code of the repository is never run.

    :param name: ``owner/name``, with ``:config`` where it has several.
    :param split: Which split.
    :raises DatasetError: If it cannot be had, with the hub's own words.
    """
    repo, _, config = name.removeprefix("hub:").partition(":")
    if repo.count("/") != 1 or repo.startswith((".", "/", "~")) or " " in repo:
        msg = f"{name}: no such file or folder, nor a hub id (owner/name)"
        raise DatasetError(msg)
    from datasets import load_dataset

    try:
        found = load_dataset(repo, config or None, split=split)
    except Exception as error:
        # The library raises what its readers raise; all of it says that this dataset cannot be had.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        msg = f"{name}: no such file or folder, and the hub did not give the split {split!r} of it: {reason}"
        raise DatasetError(msg) from error
    return open_dataset(found, name)


def _one(found: Any, split: str, where: str) -> Any:
    if not isinstance(found, dict):
        return found
    if split not in found:
        msg = f"{where}: no split {split!r}; splits: {', '.join(found)}"
        raise DatasetError(msg)
    return found[split]
