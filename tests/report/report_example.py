"""A small report: BM25, the untrained base, and two trained systems on two splits."""

from dataclasses import replace

from hardneg_plugin.report import (
    QueryValues,
    ReportData,
    SeedMeans,
    SplitResults,
    StageCounts,
    System,
    SystemComparison,
    SystemResult,
    TrainingRun,
)


def training(seed, steps=1500):
    return TrainingRun(
        seed=seed, steps=steps, examples=6480, seconds=12.34, model=f"m/{seed}", model_fingerprint=f"f{seed}"
    )


SYSTEMS = (
    System("BM25 retrieval"),
    System("untrained base", base_model="potion", base_fingerprint="abc"),
    System("in-batch", base_model="potion", base_fingerprint="abc", training=(training(1),)),
    System(
        "dense:<potion>|95%",
        base_model="potion",
        base_fingerprint="abc",
        stages=(
            StageCounts("dense", candidates=1000, kept=1000),
            StageCounts("known_positive", candidates=1000, kept=893, dropped={"near_duplicate": 7, "positive": 100}),
        ),
        training=(training(1), training(2, steps=1600)),
    ),
)

TEST = SplitResults(
    split="test",
    dataset="msmarco",
    fingerprint="d1",
    metrics=("RR@10", "nDCG@10"),
    relevance=1,
    queries=1234,
    without_relevant=0,
    results=(
        SystemResult("BM25 retrieval", {"RR@10": 0.777, "nDCG@10": 0.8}),
        SystemResult("untrained base", {"RR@10": 0.722, "nDCG@10": 0.75}),
        SystemResult("in-batch", {"RR@10": 0.7384, "nDCG@10": 0.76}, seeds=(SeedMeans(1, {"RR@10": 0.7384}),)),
        SystemResult(
            "dense:<potion>|95%",
            {"RR@10": 0.748, "nDCG@10": 0.7601},
            deviations={"RR@10": 0.0041, "nDCG@10": 0.0},
            seeds=(SeedMeans(1, {"RR@10": 0.745}), SeedMeans(2, {"RR@10": 0.751})),
        ),
    ),
)

GRADED = SplitResults(
    split="tydi_dev",
    dataset="tydi/*",
    fingerprint="d2",
    metrics=("RR(rel=2)@10",),
    relevance=2,
    queries=43,
    without_relevant=3,
    languages={"sw": 20, "ko": 23},
    results=(
        SystemResult(
            "BM25 retrieval",
            {"RR(rel=2)@10": 0.5},
            by_language={"sw": {"RR(rel=2)@10": 0.25}, "ko": {"RR(rel=2)@10": 0.75}},
        ),
        SystemResult(
            "in-batch", {"RR(rel=2)@10": 0.4}, by_language={"sw": {"RR(rel=2)@10": 0.3}, "ko": {"RR(rel=2)@10": 0.5}}
        ),
    ),
)

REPORT = ReportData(
    recipe="quick_start",
    date="2026-11-23",
    dataset="msmarco",
    dataset_fingerprint="d0",
    systems=SYSTEMS,
    splits=(TEST, GRADED),
    skipped_rows={"empty text": 2, "duplicate id": 11},
    versions={"torch": "2.9", "hardneg": "0.1.0"},
)

COMPARED = replace(
    TEST,
    metrics=("R@5", "RR@10", "nDCG@10"),
    results=tuple(replace(result, means={"R@5": 0.5, **result.means}) for result in TEST.results),
    baseline="in-batch",
    comparisons=(
        SystemComparison("BM25 retrieval", "R@5", -0.0301, low=-0.051, high=-0.0102, p=0.00009, p_holm=0.0003),
        SystemComparison("untrained base", "R@5", -0.0002, low=-0.01, high=0.0101, p=0.8, p_holm=0.8),
        SystemComparison("dense:<potion>|95%", "R@5", 0.01, low=0.0001, high=0.02, p=0.03, p_holm=0.06),
        SystemComparison("BM25 retrieval", "RR@10", 0.0386, low=0.02, high=0.05, p=0.025, p_holm=0.05),
        SystemComparison("untrained base", "RR@10", -0.0164, low=-0.04, high=0.002, p=0.07, p_holm=0.14),
        SystemComparison("dense:<potion>|95%", "RR@10", 0.0096, low=-0.01, high=0.03, p=0.4, p_holm=0.4),
        SystemComparison("BM25 retrieval", "nDCG@10", 0.04, low=-0.001, high=0.081, p=0.03, p_holm=0.06),
        SystemComparison("untrained base", "nDCG@10", -0.01, low=-0.03, high=0.01, p=0.3, p_holm=0.3),
        SystemComparison("dense:<potion>|95%", "nDCG@10", 0.0101, low=0.005, high=0.02, p=0.001, p_holm=0.003),
    ),
)
COMPARISON_REPORT = replace(REPORT, systems=SYSTEMS, splits=(COMPARED,))

LANGUAGES = {"q1": "sw", "q2": "ko"}
PER_QUERY = [
    QueryValues("dense", 2, "test", LANGUAGES, {"nDCG@10": {"q1": 0.5}, "RR@10": {"q2": 0.25, "q1": 1.0}}),
    QueryValues("BM25", None, "test", LANGUAGES, {"RR@10": {"q1": 0.0}}),
    QueryValues("dense", 1, "test", LANGUAGES, {"RR@10": {"q1": 0.125}}),
]
