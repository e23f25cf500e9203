"""Fixtures of the tests of datasets."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["jsonl", "csv", "tsv", "parquet"])
def ending(request):
    """Each ending of a file of pairs."""
    return request.param
