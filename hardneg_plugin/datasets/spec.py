"""Dataset specs: one string that says where a dataset is, such as ``beir:data/msmarco``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, get_args
from urllib.parse import parse_qsl, urlencode

from hardneg_plugin.datasets.base import MAX_TEXT_CHARS, RetrievalDataset
from hardneg_plugin.datasets.beir import BeirSource
from hardneg_plugin.datasets.files import file_identity
from hardneg_plugin.datasets.further import FurtherPassages
from hardneg_plugin.datasets.hub import HubSource, hub_entry, hub_names
from hardneg_plugin.datasets.limits import MAX_ROW_BYTES
from hardneg_plugin.datasets.problems import BadRows, RowProblems
from hardneg_plugin.datasets.remote import is_remote, local_copy
from hardneg_plugin.datasets.rows import Source
from hardneg_plugin.datasets.sample import SampleSource
from hardneg_plugin.datasets.subset import SubsetSource
from hardneg_plugin.datasets.tabular import SUFFIXES, TabularSource
from hardneg_plugin.datasets.texts_of import text_file
from hardneg_plugin.datasets.union import UnionSource, named_parts
from hardneg_plugin.errors import DatasetError

FILE_KINDS = ("beir", *SUFFIXES)
SHARED_OPTIONS = (
    "on_bad_row",
    "max_text_chars",
    "max_row_bytes",
    "max_unpacked_bytes",
    "default_language",
    "gold",
    "queries",
    "corpus",
)
KNOWN_SPECS = "sample, beir:FOLDER, jsonl:PATH, csv:PATH, parquet:PATH or a dataset of the hub"
# Between the specs of a union; a path with a plus sign between two spaces cannot be one of several.
UNION = " + "


class Spec(NamedTuple):
    """A parsed spec: kind, path (for a hub dataset its language, which may be empty) and options."""

    kind: str
    path: str
    options: dict[str, str]

    def __str__(self) -> str:
        # A path with a question mark of its own ends in one, so that the last one always starts the options.
        options = f"?{urlencode(self.options, safe='/:')}" if self.options or "?" in self.path else ""
        return f"{self.kind}:{self.path}{options}" if self.path else f"{self.kind}{options}"


def parse_spec(spec: str) -> Spec:
    """Take a spec apart: kind, colon, path as it is, and options behind the last question mark, encoded as in a URL.

    :param spec: The spec; a path that holds a question mark is followed by one more (``beir:what?/data?``).
    :raises DatasetError: If it is not one.
    """
    head, mark, tail = spec.rpartition("?")
    if not mark:
        head, tail = spec, ""
    kind, colon, path = head.partition(":")
    try:
        pairs = parse_qsl(tail, keep_blank_values=True, strict_parsing=True, errors="strict") if tail else []
    except ValueError as error:
        hint = "; a path that holds a question mark must end in one" if path else ""
        msg = f"dataset {spec!r}: expected options as in ?name=value&name=value, got {tail!r}{hint}"
        raise DatasetError(msg) from error
    options = dict(pairs)
    if len(options) < len(pairs):
        msg = f"dataset {spec!r}: an option is given twice, got {tail!r}"
        raise DatasetError(msg)
    if (kind == "sample" and not colon) or (kind in FILE_KINDS and path):
        return Spec(kind, path, options)
    if kind in hub_names():
        hub_entry(kind, path, _rows(spec, options))
        return Spec(kind, path, options)
    msg = f"dataset {spec!r}: expected {KNOWN_SPECS} ({', '.join(hub_names())})"
    raise DatasetError(msg)


def resolve_spec(spec: str, folder: Path) -> str:
    """Return the spec with a relative path counted from ``folder``."""
    if UNION in spec:
        return UNION.join(resolve_spec(part, folder) for part in spec.split(UNION))
    parsed = parse_spec(spec)
    if parsed.kind not in FILE_KINDS or is_remote(parsed.path):
        options = _with_corpus_in(parsed.options, folder)
        return spec if options == parsed.options else str(parsed._replace(options=options))
    path = str((folder / _at_home(parsed.path)).resolve())
    return str(parsed._replace(path=path, options=_with_corpus_in(parsed.options, folder)))


def _with_corpus_in(options: dict[str, str], folder: Path) -> dict[str, str]:
    """Return the options with a relative path of further passages counted from a folder."""
    if "corpus" not in options or is_remote(options["corpus"]):
        return options
    return {**options, "corpus": str((folder / _at_home(options["corpus"])).resolve())}


def _here(path: str, problems: RowProblems, fetch: bool) -> Path:
    if is_remote(path):
        return local_copy(path, fetch=fetch, max_bytes=problems.max_unpacked_bytes)
    return _at_home(path)


def _at_home(path: str) -> Path:
    # Only "~/": a name that begins with a tilde is a name, not another user's home.
    return Path(path).expanduser() if path.startswith("~/") else Path(path)


def with_options(spec: str, options: Mapping[str, str | int]) -> str:
    """Return the spec with further options.

    :raises DatasetError: If the spec has one of them already, with another value.
    """
    if UNION in spec:
        return UNION.join(with_options(part, options) for part in spec.split(UNION))
    parsed = parse_spec(spec)
    for name, value in options.items():
        if parsed.options.get(name, str(value)) != str(value):
            msg = f"dataset {spec!r} says {name}={parsed.options[name]}, the recipe says {value}"
            raise DatasetError(msg)
    return str(parsed._replace(options={**parsed.options, **{name: str(value) for name, value in options.items()}}))


def load_dataset(spec: str, *, fetch: bool = True) -> RetrievalDataset:
    """Return the dataset of a spec; files are opened, rows are read when they are asked for.

    ``sample?passages=3600&seed=0``, ``beir:FOLDER``, or ``jsonl:``, ``csv:``, ``parquet:`` with a file or folder and,
    where columns have other names or several could be meant, ``?anchor=…&positive=…&negative=…&language=…&answers=…``
    (``negative_1 … negative_n`` are all negatives); a bad row of pairs is left out as a whole. Or the name of a dataset
    of the hub: ``msmarco``, ``mr-tydi:sw``, or the first rows of ready triplets: ``msmarco-bm25?rows=10000``. Every
    spec takes the options ``on_bad_row`` (``error``, the default, stops at the first bad row; ``skip`` leaves bad
    rows out and counts them), ``max_text_chars`` (longer texts are bad rows; 100,000), ``max_row_bytes`` (longer rows
    of a text file are; 32 MiB), ``max_unpacked_bytes`` (what a packed file or an archive may unpack to),
    ``default_language`` (ISO 639-1 code of rows that carry no language), ``gold`` (a split: its relevant passages alone
    are the corpus), ``queries`` (how many of that split's queries, drawn by a hash of their id) and ``corpus`` (a file
    of further passages, see :func:`~hardneg_plugin.datasets.texts_of.text_file`). Text files of pairs take
    ``encoding``, and CSV and TSV ``delimiter``, ``quotes`` and ``header``, where what is found is not what they have. A
    path may lie on any file system of fsspec (``beir:s3://bucket/folder``): it is copied into the cache first.
    Several specs with `` + `` between them are one dataset, whose ids begin with the name of their part:
    ``beir:tydi/en + beir:tydi/ko``.

    :param spec: The spec.
    :param fetch: Whether what is not on this machine may be fetched; without, nothing is written, either.
    :raises DatasetError: If the spec cannot be read or a file is missing.
    """
    parts = [_taken_apart(part) for part in spec.split(UNION)]
    on_bad_row = _one_for_all(spec, "on_bad_row", [shared for _, shared in parts], "error")
    if on_bad_row not in get_args(BadRows):
        msg = f"dataset {spec!r}: on_bad_row must be one of {', '.join(get_args(BadRows))}; got {on_bad_row!r}"
        raise DatasetError(msg)
    problems = RowProblems(
        on_bad_row,  # type: ignore[arg-type]
        max_row_bytes=_limit(spec, "max_row_bytes", parts) or MAX_ROW_BYTES,
        max_unpacked_bytes=_limit(spec, "max_unpacked_bytes", parts),
    )
    most = _one_for_all(spec, "max_text_chars", [shared for _, shared in parts], str(MAX_TEXT_CHARS))
    longest = _whole(spec, "max_text_chars", most)
    sources = [
        (_whole_source(spec, own, shared, problems, longest, fetch), shared.get("default_language", ""))
        for own, shared in parts
    ]
    if len(sources) == 1:
        ((source, language),) = sources
        return RetrievalDataset(spec, source, problems, language=language, max_text_chars=longest)
    return RetrievalDataset(spec, UnionSource(named_parts(sources)), problems, max_text_chars=longest)


def _taken_apart(spec: str) -> tuple[Spec, dict[str, str]]:
    """Return a spec without the options that all kinds share, and those."""
    parsed = parse_spec(spec)
    shared = {name: parsed.options[name] for name in SHARED_OPTIONS if name in parsed.options}
    return parsed._replace(options={k: v for k, v in parsed.options.items() if k not in shared}), shared


def _one_for_all(spec: str, name: str, shared: Sequence[Mapping[str, str]], default: str) -> str:
    values = {options.get(name, default) for options in shared}
    if len(values) > 1:
        msg = f"dataset {spec!r}: its parts must agree in {name}, got {', '.join(sorted(values))}"
        raise DatasetError(msg)
    return values.pop()


def _whole_source(
    spec: str, own: Spec, shared: Mapping[str, str], problems: RowProblems, max_chars: int, fetch: bool
) -> Source:
    source = _cut_out(spec, _source(own, problems, max_chars, fetch), shared)
    if "corpus" not in shared:
        return source
    texts = text_file(shared["corpus"], "corpus", problems, ids=False)
    return FurtherPassages(source, texts, lambda: [shared["corpus"], file_identity(Path(texts.where))])


def _cut_out(spec: str, source: Source, shared: Mapping[str, str]) -> Source:
    if "gold" in shared:
        queries = _whole(spec, "queries", shared["queries"]) if "queries" in shared else None
        return SubsetSource(source, shared["gold"], queries)
    if "queries" in shared:
        msg = f"dataset {spec!r}: queries={shared['queries']} is for gold=SPLIT, which is missing"
        raise DatasetError(msg)
    return source


def _limit(spec: str, name: str, parts: Sequence[tuple[Spec, Mapping[str, str]]]) -> int | None:
    value = _one_for_all(spec, name, [shared for _, shared in parts], "")
    return _whole(spec, name, value) if value else None


def _source(spec: Spec, problems: RowProblems, max_chars: int, fetch: bool) -> Source:
    if spec.kind in SUFFIXES:
        return TabularSource(spec.kind, _here(spec.path, problems, fetch), spec.options, problems, max_chars=max_chars)
    known = ("passages", "seed") if spec.kind == "sample" else ("rows",) if spec.kind in hub_names() else ()
    unknown = [name for name in spec.options if name not in known]
    if unknown:
        options = ", ".join([*known, *SHARED_OPTIONS])
        msg = f"dataset {str(spec)!r}: unknown option {', '.join(unknown)}; {spec.kind} takes {options}"
        raise DatasetError(msg)
    if spec.kind in hub_names():
        return HubSource(spec.kind, spec.path, problems, _rows(str(spec), spec.options), fetch=fetch)
    if spec.kind == "beir":
        return BeirSource(_here(spec.path, problems, fetch), problems)
    return SampleSource(**{name: _whole(str(spec), name, value) for name, value in spec.options.items()})


def _rows(spec: str, options: Mapping[str, str]) -> int | None:
    return _whole(spec, "rows", options["rows"]) if "rows" in options else None


def _whole(spec: str, name: str, value: str) -> int:
    if not value.isdecimal():
        msg = f"dataset {spec!r}: {name} must be a whole number, got {value!r}"
        raise DatasetError(msg)
    return int(value)


def spec_of_file(dataset: str) -> str:
    """Return the spec of a file of pairs by its ending; anything else is taken as a spec already."""
    kind, colon, _ = dataset.partition(":")
    if colon and kind in FILE_KINDS:
        return dataset
    path = dataset.rpartition("?")[0] or dataset
    return next((f"{kind}:{dataset}" for kind, suffixes in SUFFIXES.items() if path.endswith(suffixes)), dataset)
