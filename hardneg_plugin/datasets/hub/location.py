"""Locate the files of a part: in a local folder, in the hub's cache or on the hub."""

from __future__ import annotations

import os
import re
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlparse

from hardneg_plugin.cache import build_entry, entry_path, fingerprint, is_sound
from hardneg_plugin.datasets.hub.catalogue import HubPart
from hardneg_plugin.datasets.hub.head import fetch_head, head_file
from hardneg_plugin.errors import DatasetError

HUB_VARIABLE = "HARDNEG_HUB"
WEB = "web"
# A branch that the hub converted in part ends such folders so; its rows are a sample of unknown kind.
_PARTIAL = re.compile(r"(^|/)partial-")
_SECONDS = 60


def hub_folder() -> Path | None:
    """Return the folder ``HARDNEG_HUB`` with files as ``<repository>/<path>`` and ``<host>/<path>``; None if unset."""
    configured = os.environ.get(HUB_VARIABLE)
    return Path(configured).expanduser().resolve() if configured else None


def local_files(part: HubPart) -> list[Path]:
    """Return the files of a part that are on this machine, without asking the hub; empty where it would have to be.

    :raises DatasetError: If what is there is a part of a conversion.
    """
    if part.head is not None and is_sound(head_file(part).parent):
        return [head_file(part)]
    folder = hub_folder()
    if folder is not None and (found := _matching(folder / _place(part), part)):
        return found
    if part.url:
        folder = entry_path(WEB, fingerprint(part.url))
        return [folder / _name(part)] if is_sound(folder) else []
    snapshot = _snapshot(part, local=True)
    return [] if snapshot is None else _matching(snapshot, part)


def files_of(part: HubPart, dataset: str, *, fetch: bool = True) -> list[Path]:
    """Return the files of a part, downloaded where they, or some of them, are not on this machine yet.

    :param part: The part.
    :param dataset: Spec of the dataset, for the message.
    :param fetch: Whether they may be downloaded.
    :raises DatasetError: If they cannot be had, with what to do.
    """
    if found := local_files(part):
        return found
    if not fetch:
        msg = f"{dataset}: {part} is not on this machine, and nothing is downloaded here"
        raise DatasetError(msg)
    if part.head is not None:
        return [_head(part, dataset)]
    if part.url:
        return [build_entry(WEB, fingerprint(part.url), _downloading(part, dataset)) / _name(part)]
    snapshot = _snapshot(part, local=False, dataset=dataset)
    if snapshot is not None and (found := _matching(snapshot, part)):
        return found
    msg = f"{dataset}: {part.repo}@{part.revision} holds no file {part.files}; the repository has changed"
    raise DatasetError(msg)


def _head(part: HubPart, dataset: str) -> Path:
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        return fetch_head(part)
    except (OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        raise DatasetError(_unreachable(part, dataset, error)) from error


def _place(part: HubPart) -> str:
    if part.url:
        address = urlparse(part.url)
        return f"{address.netloc}{Path(address.path).parent}"
    return part.repo


def _name(part: HubPart) -> str:
    return Path(urlparse(part.url).path).name


def _matching(folder: Path, part: HubPart) -> list[Path]:
    found = sorted(path for path in folder.glob(_name(part) if part.url else part.files) if path.is_file())
    for path in found:
        if _PARTIAL.search(path.relative_to(folder).as_posix()):
            msg = f"{path}: a partial conversion, whose rows are not all; take the whole files of {part}"
            raise DatasetError(msg)
    return found


def _snapshot(part: HubPart, *, local: bool, dataset: str = "") -> Path | None:
    """Return the folder of a repository's files in the hub's cache.

    :param local: Whether to look there alone: None where the files are not in it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(
            snapshot_download(
                part.repo,
                repo_type="dataset",
                revision=part.revision,
                allow_patterns=[part.files],
                local_files_only=local,
            )
        )
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        if local:
            return None
        raise DatasetError(_unreachable(part, dataset, error)) from error


def _unreachable(part: HubPart, dataset: str, error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    size = "" if part.bytes is None else f" ({part.bytes / 1e6:,.1f} MB)"
    folder = hub_folder() or "FOLDER"
    return (
        f"{dataset}: {part}{size} is not on this machine and cannot be downloaded: {reason}. Where there is a network, "
        f"`hardneg download {dataset.replace('?rows=', ' --limit ')}` fetches it; or put it at {folder}/{_place(part)}/"
        f"{_name(part) if part.url else part.files} and set {HUB_VARIABLE}={folder}"
    )


def _check_whole(read: int, promised: str | None) -> None:
    # What breaks off in the middle reads as an end.
    if promised is not None and read != int(promised):
        msg = f"the connection broke off after {read:,} of {int(promised):,} bytes"
        raise ConnectionError(msg)


def _downloading(part: HubPart, dataset: str) -> Callable[[Path], None]:
    def download(folder: Path) -> None:
        try:
            with (
                urllib.request.urlopen(part.url, timeout=_SECONDS) as answer,  # noqa: S310 - addresses of the catalogue
                (folder / _name(part)).open("wb") as file,
            ):
                shutil.copyfileobj(answer, file)
                _check_whole(file.tell(), answer.headers["Content-Length"])
        except (URLError, OSError) as error:
            raise DatasetError(_unreachable(part, dataset, error)) from error

    return download
