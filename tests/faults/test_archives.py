"""Archives and object stores: whatever their members are called, nothing is written outside the copy."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import fsspec
import pytest

from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.datasets.remote import local_copy
from hardneg_plugin.errors import DatasetError

FILES = {
    "corpus.jsonl": '{"_id":"d1","text":"hello"}\n',
    "queries.jsonl": '{"_id":"q1","text":"hi"}\n',
    "qrels/train.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\n",
}
OUTSIDE = ["d/../../../../OUTSIDE", "d/..\\..\\OUTSIDE", "d//OUTSIDE", "d/./OUTSIDE", "d/C:/OUTSIDE", "d/.."]


def zip_file(folder: Path, *names: str) -> str:
    with zipfile.ZipFile(folder / "data.zip", "w") as archive:
        for name, text in FILES.items():
            archive.writestr(f"d/{name}", text)
        for name in names:
            archive.writestr(name, "x")
    return f"zip://d::{folder / 'data.zip'}"


def tar_file(folder: Path, *members: tarfile.TarInfo) -> str:
    with tarfile.open(folder / "data.tar", "w") as archive:
        for name, text in FILES.items():
            info = tarfile.TarInfo(f"d/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
        for info in members:
            info.size = 1 if info.isreg() else 0
            archive.addfile(info, io.BytesIO(b"x"))
    return f"tar://d::{folder / 'data.tar'}"


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def refused(url: str, tmp_path: Path) -> None:
    before = everything(tmp_path)
    with pytest.raises(DatasetError, match=r"nothing was written|no such file"):
        load_dataset(f"beir:{url}")
    assert everything(tmp_path) == before


def test_an_archive_is_read(tmp_path, cache_folder):
    for url in (zip_file(tmp_path), tar_file(tmp_path)):
        dataset = load_dataset(f"beir:{url}")
        assert dataset.splits == ("train",)
        assert dataset.qrels("train") == {"q1": {"d1": 1}}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_member_of_a_zip_that_leads_outside_is_refused(tmp_path, name):
    refused(zip_file(tmp_path, name), tmp_path)


@pytest.mark.parametrize("name", [*OUTSIDE[:2], OUTSIDE[4]])
def test_a_member_of_a_tar_that_leads_outside_is_refused(tmp_path, name):
    refused(tar_file(tmp_path, member(name)), tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_a_tar_is_refused(tmp_path, kind):
    refused(tar_file(tmp_path, member("d/link.jsonl", kind, "/etc/hostname")), tmp_path)


def test_a_link_in_a_zip_is_refused(tmp_path):
    url = zip_file(tmp_path)
    with zipfile.ZipFile(tmp_path / "data.zip", "a") as archive:
        info = zipfile.ZipInfo("d/link.jsonl")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/hostname")
    refused(url, tmp_path)


def test_a_key_of_an_object_store_that_leads_outside_is_refused(tmp_path):
    store = fsspec.filesystem("memory")
    try:
        # The keys of a bucket are any text; this file system would resolve such a name when it writes it.
        store.pipe("/bucket/d/corpus.jsonl", b"{}\n")
        type(store).store["/bucket/d/../../../OUTSIDE"] = type(store).store["/bucket/d/corpus.jsonl"]
        refused("memory://bucket/d", tmp_path)
    finally:
        type(store).store.clear()


def test_a_file_that_is_a_folder_too_is_refused(tmp_path):
    refused(zip_file(tmp_path, "d/qrels"), tmp_path)


@pytest.mark.parametrize("url", ["zip://::{}", "zip://..::{}"])
def test_the_root_of_an_archive(tmp_path, url):
    zip_file(tmp_path, "/OUTSIDE")
    refused(url.format(tmp_path / "data.zip"), tmp_path)


def test_a_damaged_archive_is_an_error_of_ours(tmp_path):
    url = zip_file(tmp_path)
    content = (tmp_path / "data.zip").read_bytes()
    for end in (10, len(content) // 2, len(content) - 10):
        (tmp_path / "data.zip").write_bytes(content[:end])
        with pytest.raises(DatasetError, match=r"data\.zip: cannot be read"):
            local_copy(url)
