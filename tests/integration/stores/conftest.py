"""Stores of the contract, filled once a session, and a place for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from haystack.utils import Secret
from known_stores import CONNECTION, Place, known_of
from passages import documents
from postgres import new_server


@pytest.fixture(scope="session")
def connection() -> Iterator[Secret]:
    """Connection to a PostgreSQL with pgvector."""
    server = new_server()
    try:
        os.environ[CONNECTION] = server.start()
        yield Secret.from_env_var(CONNECTION)
    finally:
        os.environ.pop(CONNECTION, None)
        server.stop()


@pytest.fixture
def position(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Place]:
    """A fresh place for a store: ``place(name)``."""

    def make(name: str) -> Place:
        wanted = known_of(name).database
        return Place(tmp_path, request.getfixturevalue("connection") if wanted else None)

    return make


@pytest.fixture(scope="session")
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """A store with the passages, which no test changes: ``filled(name, metric)``."""
    held: dict[tuple[str, str], Any] = {}

    def give(name: str, metric: str | None = None) -> Any:
        known = known_of(name)
        metric = metric or next(iter(known.metrics))
        if (name, metric) not in held:
            connection = request.getfixturevalue("connection") if known.database else None
            store = known.open(Place(tmp_path_factory.mktemp(name), connection), metric)
            store.write_documents(documents())
            held[name, metric] = store
        return held[name, metric]

    yield give
    for store in held.values():
        if hasattr(store, "close"):
            store.close()
