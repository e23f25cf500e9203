"""Datasets by spec: where passages, queries and judgements come from."""

from hardneg_plugin.datasets.base import RetrievalDataset
from hardneg_plugin.datasets.examples import ExampleShards
from hardneg_plugin.datasets.rows import Passage, Qrel, Query, Source
from hardneg_plugin.datasets.sizes import dataset_sizes
from hardneg_plugin.datasets.spec import load_dataset, parse_spec, resolve_spec, with_options

__all__ = [
    "ExampleShards",
    "Passage",
    "Qrel",
    "Query",
    "RetrievalDataset",
    "Source",
    "dataset_sizes",
    "load_dataset",
    "parse_spec",
    "resolve_spec",
    "with_options",
]
