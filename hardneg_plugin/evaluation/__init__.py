"""Scoring retrieval: metrics, runs, and the evaluation of a retriever on a split."""

from hardneg_plugin.evaluation.evaluate import Evaluation, Retriever, evaluate_retriever, model_retriever
from hardneg_plugin.evaluation.metrics import METRICS, LanguageScores, Scores, by_language, parse_metrics, score
from hardneg_plugin.evaluation.runs import Qrels, Run, hits_to_run, qrels_of
from hardneg_plugin.evaluation.seeds import SeedScores, Spread, aggregate_seeds, languages_over_seeds
from hardneg_plugin.evaluation.trec import read_trec_qrels, read_trec_run, write_trec_qrels, write_trec_run

__all__ = [
    "METRICS",
    "Evaluation",
    "LanguageScores",
    "Qrels",
    "Retriever",
    "Run",
    "Scores",
    "SeedScores",
    "Spread",
    "aggregate_seeds",
    "by_language",
    "evaluate_retriever",
    "hits_to_run",
    "languages_over_seeds",
    "model_retriever",
    "parse_metrics",
    "qrels_of",
    "read_trec_qrels",
    "read_trec_run",
    "score",
    "write_trec_qrels",
    "write_trec_run",
]
