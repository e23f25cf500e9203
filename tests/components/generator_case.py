"""Row of the generator of negatives."""

from __future__ import annotations

from pathlib import Path

from component_case import Case, number, whole
from haystack.components.generators.chat import MockChatGenerator

WRITTEN = '{"passages": ["The Danube flows through ten countries of Europe.", "A swarm of wasps"]}'

GENERATOR_CASE = Case(
    name="LLMNegativeGenerator",
    module="llm_negative_generator",
    stage=True,
    required={"chat_generator": MockChatGenerator(WRITTEN)},
    defaults={
        "num_passages": 3,
        "prompt": "generate",
        "min_words": 50,
        "max_words": 150,
        "source": None,
        "max_query_chars": 200,
        "max_passage_chars": 300,
        "near_duplicate": 0.8,
        "language_check": True,
        "max_tokens": None,
        "max_workers": 4,
        "raise_on_failure": False,
    },
    custom={
        "num_passages": 1,
        "prompt": str(Path(__file__).with_name("short_generate.yaml")),
        "min_words": 5,
        "max_words": 40,
        "source": "written",
        "max_query_chars": 100,
        "max_passage_chars": 500,
        "near_duplicate": None,
        "language_check": False,
        "max_tokens": 500,
        "max_workers": 1,
        "raise_on_failure": True,
    },
    bad=(
        ({"chat_generator": "llama3.1:8b"}, "chat_generator must be a Haystack chat generator, got str"),
        whole("num_passages", 1, 0),
        whole("min_words", 1, 0),
        whole("max_words", 1, 2.5),
        ({"min_words": 200}, "min_words=200 is above max_words=150"),
        whole("max_query_chars", 1, 0),
        whole("max_passage_chars", 1, "9"),
        whole("max_tokens", 1, 0),
        whole("max_workers", 1, 0),
        ({"source": " "}, "source must be a name, got ' '"),
        number("near_duplicate", "above 0 and up to 1", 1.5),
        ({"near_duplicate": 0}, "near_duplicate must be a number above 0 and up to 1, got 0"),
    ),
)
