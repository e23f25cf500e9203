"""Row of the ranker."""

from __future__ import annotations

from component_case import MODEL, Case, number, whole
from haystack.components.generators.chat import MockChatGenerator

from hardneg_plugin.llm.verdicts import answer_of

RANKER_CASE = Case(
    name="RAGNegativeRanker",
    module="rag_negative_ranker",
    stage=True,
    required={"model": MODEL},
    defaults={
        "chat_generator": None,
        "pool": "negatives",
        "context": 3,
        "keep": 0.5,
        "scope": "query",
        "scorer": "rag",
        "prompt": "rank",
        "candidates_per_call": 10,
        "max_query_chars": 200,
        "max_passage_chars": 300,
        "max_context_chars": 120,
        "batch_size": 64,
        "max_workers": 4,
        "raise_on_failure": False,
    },
    custom={
        "chat_generator": MockChatGenerator(answer_of([("hard_negative", 80)], "listwise")),
        "pool": "corpus",
        "context": 2,
        "keep": 0.25,
        "scope": "all",
        "scorer": "beside",
        "prompt": "classify_listwise",
        "candidates_per_call": 1,
        "max_query_chars": 100,
        "max_passage_chars": 100,
        "max_context_chars": 60,
        "batch_size": 2,
        "max_workers": 1,
        "raise_on_failure": True,
    },
    bad=(
        ({"model": " "}, "model must be a folder or a hub id, got ' '"),
        ({"chat_generator": 3}, "chat_generator must be a Haystack chat generator, got int"),
        ({"pool": "web"}, "pool must be one of negatives, corpus; got 'web'"),
        ({"scope": "each"}, "scope must be one of query, all; got 'each'"),
        ({"scorer": ""}, "scorer must be a name, got ''"),
        whole("context", 0, -1),
        whole("candidates_per_call", 1, 0),
        whole("max_context_chars", 1, 0),
        whole("batch_size", 1, 0),
        whole("max_workers", 1, True),
        number("keep", "from 0 to 1", 1.5),
    ),
)
