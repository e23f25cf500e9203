"""The record that flows through every stage: examples, their candidates, and the corpus these refer to."""

from hardneg_plugin.records.candidates import Candidate, Candidates, Verdict
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.records.documents import merge_documents
from hardneg_plugin.records.example import MiningExample, table_of, with_table
from hardneg_plugin.records.jsonl import read_jsonl, write_jsonl
from hardneg_plugin.records.merge import merge_source
from hardneg_plugin.records.parquet import read_parquet, write_parquet
from hardneg_plugin.records.scores import with_scores
from hardneg_plugin.records.table import CandidateTable

__all__ = [
    "Candidate",
    "CandidateTable",
    "Candidates",
    "Corpus",
    "MiningExample",
    "Verdict",
    "merge_documents",
    "merge_source",
    "read_jsonl",
    "read_parquet",
    "table_of",
    "with_scores",
    "with_table",
    "write_jsonl",
    "write_parquet",
]
