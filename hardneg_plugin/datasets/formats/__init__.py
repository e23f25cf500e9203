"""Formats of training files: sentence-transformers, PyLate, FlagEmbedding, Tevatron, ms-swift, and our own."""

from hardneg_plugin.datasets.formats.read import read_training_rows
from hardneg_plugin.datasets.formats.registry import FORMATS

__all__ = ["FORMATS", "read_training_rows"]
