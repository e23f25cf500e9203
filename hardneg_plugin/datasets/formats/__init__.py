"""Formats of training files: sentence-transformers, PyLate, FlagEmbedding, Tevatron, ms-swift, and our own."""

from hardneg_plugin.datasets.formats.read import read_training_rows
from hardneg_plugin.datasets.formats.registry import FORMATS
from hardneg_plugin.datasets.formats.write import Written, write_training_rows

__all__ = ["FORMATS", "Written", "read_training_rows", "write_training_rows"]
