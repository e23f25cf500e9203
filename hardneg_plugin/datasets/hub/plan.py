"""Plan and download the files of a dataset of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from hardneg_plugin.datasets.hub.catalogue import hub_entry
from hardneg_plugin.datasets.hub.location import files_of, local_files
from hardneg_plugin.datasets.hub.readers import read_part
from hardneg_plugin.datasets.problems import RowProblems


class PlannedFile(NamedTuple):
    """Files of a dataset.

    :param dataset: Spec of the dataset.
    :param where: Repository, revision and pattern, or address.
    :param bytes: To download, as the catalogue has it; None where the hub alone knows.
    :param licence: What one may do with the dataset.
    :param present: Whether they are on this machine.
    """

    dataset: str
    where: str
    bytes: int | None
    licence: str
    present: bool


def download_plan(name: str, language: str, rows: int | None = None) -> list[PlannedFile]:
    """Return the files of a dataset; nothing is downloaded or written.

    :param name: Name in the catalogue.
    :param language: ISO 639-1 code; empty where the name stands for one language alone.
    :param rows: How many of its rows, from the first; None takes all.
    :raises DatasetError: If there is no such dataset.
    """
    entry = hub_entry(name, language, rows)
    return [
        PlannedFile(entry.name, str(part), part.bytes, entry.licence, bool(local_files(part))) for part in entry.parts
    ]


def download(name: str, language: str, tell: Callable[[str], None], rows: int | None = None) -> Iterator[PlannedFile]:
    """Fetch the files of a dataset, count their rows, and yield each when it is there.

    What is on this machine is not fetched again; a file that was cut off goes on where it was.

    :param name: Name in the catalogue.
    :param language: ISO 639-1 code; empty where the name stands for one language alone.
    :param tell: Called with what is done next.
    :param rows: How many of its rows, from the first; None takes all.
    :raises DatasetError: If a file cannot be had, or has not as many rows as it should.
    """
    entry = hub_entry(name, language, rows)
    for part in entry.parts:
        tell(f"{entry.name}: {part}")
        files = files_of(part, entry.name)
        problems = RowProblems("error")
        problems.start("download")
        for _ in read_part(part, files, "download", problems):
            pass
        yield PlannedFile(
            entry.name, str(part), sum(file.stat().st_size for file in files), entry.licence, present=True
        )
