"""Formats of training files: sentence-transformers, PyLate, FlagEmbedding, Tevatron, ms-swift, and our own."""

from hardneg_plugin.datasets.formats.read import read_training_rows
from hardneg_plugin.datasets.formats.registry import FORMATS
from hardneg_plugin.datasets.formats.write import WriteResult, write_training_rows

__all__ = ["FORMATS", "WriteResult", "read_training_rows", "write_training_rows"]
