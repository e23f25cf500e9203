"""A folder that is a dataset of the hub, with a card that says how clean its rows are; and its upload."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from hardneg_plugin.datasets.formats.registry import FORMATS
from hardneg_plugin.datasets.formats.write import WriteResult, write_training_rows
from hardneg_plugin.datasets.training_rows import TrainingRows
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.outputs import MARK, check_output, new_folder
from hardneg_plugin.visible import visible

CARD = "README.md"
# Their libraries read JSON lines alone.
_LINES = ("flagembedding", "tevatron", "ms-swift", "ms-swift-reranker")


def build_repository(
    rows: TrainingRows,
    folder: Path,
    format: str,  # noqa: A002
    *,
    title: str,
    audit: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    **options: Any,
) -> WriteResult:
    """Write the folder that an upload sends: the rows, as JSON lines or Parquet, and a card.

    :param rows: The rows.
    :param folder: The folder.
    :param format: Format of the rows.
    :param title: Headline of the card, such as the id of the repository.
    :param audit: What ``hardneg audit`` wrote as JSON: a mapping with ``figures``; None says there was no audit.
    :param overwrite: Replace a folder that was written by this function; any other is refused.
    :param options: See :func:`write_training_rows`.
    :raises DatasetError: If the audit has no figures.
    :raises StorageError: If the folder is there already, or cannot be written.
    """
    figures = _figures(audit)
    tables = FORMATS[format].tables if format in FORMATS else None
    check_output(folder, overwrite=overwrite, inputs=[rows.where])
    with new_folder(folder, overwrite=overwrite) as partial:
        if tables is not None:
            written = write_training_rows(rows, partial, format, **options)
        else:
            ending = ".jsonl" if format in _LINES else ".parquet"
            written = write_training_rows(rows, partial / f"train{ending}", format, **options)
        (partial / CARD).write_text(_card(rows, partial, format, title, figures, written), "utf-8")
    return written


def push(folder: Path, repo: str, *, private: bool = True) -> str:
    """Create a dataset repository and send a folder to it; return its address.

    The token is the one that the hub's library finds by itself (``HF_TOKEN`` or its own login); it is never written.

    :param folder: What :func:`build_repository` wrote.
    :param repo: ``owner/name``.
    :param private: Whether others may see it; a repository that exists stays as it is.
    :raises DatasetError: If the hub refuses, with its words.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    api = HfApi()
    try:
        address = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=address.repo_id,
            repo_type="dataset",
            folder_path=folder,
            commit_message="Training rows by hardneg",
            ignore_patterns=[MARK],
        )
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        msg = f"{repo}: the hub did not take the dataset: {reason}; what would be sent is in {folder}"
        raise DatasetError(msg) from error
    return str(address)


def read_audit(file: Path) -> dict[str, Any]:
    """Read the JSON that ``hardneg audit`` wrote.

    :raises DatasetError: If it is none.
    """
    try:
        value = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{file}: expected the JSON of an audit: {error}"
        raise DatasetError(msg) from error
    _figures(value if isinstance(value, Mapping) else {})
    return dict(value)


def _figures(audit: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if audit is None:
        return []
    figures = audit.get("figures")
    if not isinstance(figures, Mapping) or not figures:
        msg = f"an audit has a mapping 'figures', got {figures!r:.60}"
        raise DatasetError(msg)
    return list(_flat("", figures))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the figures of nested mappings by their dotted names."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else str(name), inner)
    else:
        yield _safe(prefix), _cell(value)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _safe(str(value))


def _safe(text: str) -> str:
    """Return a text that cannot break out of a cell of a table, nor be read as HTML."""
    return " ".join(visible(text).replace("|", "\\|").replace("<", "&lt;").split())


def _card(
    rows: TrainingRows,
    folder: Path,
    name: str,
    title: str,
    figures: list[tuple[str, str]],
    written: WriteResult,
) -> str:
    import yaml
    from jinja2 import Environment, StrictUndefined

    data = sorted(path.name for path in folder.iterdir() if path.name not in (CARD, MARK))
    header = {
        "task_categories": ["feature-extraction", "sentence-similarity"],
        "tags": ["hard-negatives", "dense-retrieval", "hardneg"],
        "configs": [
            {"config_name": Path(file).stem if len(data) > 1 else "default", "data_files": file} for file in data
        ],
    }
    languages = sorted(code for code in set(rows.table.column("language").unique().to_pylist()) if code)
    if languages:
        header["language"] = languages
    facts = [("rows", f"{written.rows:,}"), ("languages", ", ".join(languages) or "not stated")]
    if written.left_out:
        facts.append(("left out for too few negatives", f"{written.left_out:,}"))
    facts.append(("rows without negatives", f"{written.without_negatives:,}"))
    template = (files("hardneg_plugin.datasets.formats") / "card.md.jinja").read_text("utf-8")
    # The cells are made safe one by one: this is Markdown, whose own marks HTML escaping would leave alone.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    return environment.from_string(template).render(
        header=yaml.safe_dump(header, allow_unicode=True, sort_keys=False),
        title=_safe(title),
        format=name,
        layout=FORMATS[name].layout,
        facts=facts,
        figures=figures,
        intervals=any("interval" in figure for figure, _ in figures),
    )
