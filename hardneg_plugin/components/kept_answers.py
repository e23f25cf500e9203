"""Answers of a retriever that an error would have lost, kept in the cache until the same questions are asked again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from haystack.core.errors import SerializationError
from haystack.core.serialization import component_to_dict
from haystack.dataclasses import Document

from hardneg_plugin.cache import entry_path, fingerprint

_KIND = "retrieved"


class KeptAnswers:
    """Answers that came before an error ended a list of questions.

    They are known by the retriever's parameters and the questions themselves. A retriever that cannot be serialised,
    such as one with a token in its parameters, is not known again: nothing of it is kept.

    :param parts: Name → component that decides over the answers; None is left out.
    :param questions: What is asked with each query.
    :param queries: All queries, each with the ids of its positives.
    """

    def __init__(
        self, parts: Mapping[str, Any], questions: Mapping[str, Any], queries: Sequence[Sequence[str]]
    ) -> None:
        try:
            written = {name: component_to_dict(part, name) for name, part in parts.items() if part is not None}
            key = fingerprint([written, dict(questions), [list(query) for query in queries]])
        except (SerializationError, TypeError, ValueError, AttributeError):
            self._path = None
        else:
            self._path = entry_path(_KIND, f"{key}.json")

    def read(self) -> dict[str, list[Document]]:
        """Return query → documents of the questions that were answered before; empty as a rule."""
        if self._path is None or not self._path.is_file():
            return {}
        held = json.loads(self._path.read_text("utf-8"))
        return {query: [Document.from_dict(document) for document in found] for query, found in held.items()}

    def write(self, answers: Mapping[str, Sequence[Document]]) -> bool:
        """Keep some answers, without vectors; return whether they are kept.

        :param answers: Query → documents.
        """
        if self._path is None or not answers:
            return False
        try:
            text = json.dumps({query: [_written(one) for one in found] for query, found in answers.items()})
        except (TypeError, ValueError):
            return False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(text, "utf-8")
        partial.replace(self._path)
        return True

    def drop(self) -> None:
        """Forget them: all questions are answered."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _written(document: Document) -> dict[str, Any]:
    return replace(document, embedding=None, sparse_embedding=None).to_dict(flatten=False)
