import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def example():
    """The module ``report_example.py`` of this folder."""
    path = Path(__file__).with_name("report_example.py")
    spec = importlib.util.spec_from_file_location("report_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
