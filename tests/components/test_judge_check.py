"""Pairs of known kind, and what a judge makes of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from haystack.components.generators.chat import MockChatGenerator

from hardneg_plugin import LLMNegativeClassifier
from hardneg_plugin.cli import main
from hardneg_plugin.errors import LLMError, ParameterError
from hardneg_plugin.llm.fence import escape_untrusted_text
from hardneg_plugin.llm.verdicts import DECIDED, answer_of
from hardneg_plugin.run.judge_check import check_judge, known_examples, known_languages, known_pairs
from hardneg_plugin.text import detect_language

sys.path.insert(0, str(Path(__file__).parents[1] / "llm"))
from ollama_server import OllamaServer

KINDS = {
    escape_untrusted_text(pair[kind], 300): kind
    for language in known_languages()
    for pair in known_pairs(language)
    for kind in DECIDED
}
HARDNESS = {"false_negative": 90, "hard_negative": 80, "easy_negative": 5}


def shown(messages):
    return [passage for _, passage in re.findall(r"<(\d+)>([^<]*)</\1>", messages[-1].text)]


def omniscient(messages) -> str:
    return answer_of([(KINDS[passage], HARDNESS[KINDS[passage]]) for passage in shown(messages)], "listwise")


def gullible(messages) -> str:
    """Calls false negatives hard ones, and obeys instructions."""
    said = {"false_negative": "hard_negative"}
    labels = [
        "false_negative" if "SYSTEM" in passage else said.get(KINDS[passage], KINDS[passage])
        for passage in shown(messages)
    ]
    return answer_of([(label, HARDNESS[label]) for label in labels], "listwise")


def silent(messages) -> str:
    return "I would rather not say."


def judge(function):
    return LLMNegativeClassifier(chat_generator=MockChatGenerator(response_fn=function))


def test_there_are_pairs_in_at_least_eight_languages():
    assert len(known_languages()) >= 8
    assert all(len(known_pairs(language)) >= 8 for language in known_languages())


@pytest.mark.parametrize("language", known_languages())
def test_the_pairs_of_a_language_are_whole_and_in_it(language):
    texts = []
    for pair in known_pairs(language):
        assert set(pair) - {"instructs"} == {"query", "positive", *DECIDED}
        assert pair.get("instructs") in (None, *DECIDED)
        texts += [pair["query"], pair["positive"], *(pair[kind] for kind in DECIDED)]
    assert len(set(texts)) == len(texts)
    # Scripts tell languages apart where they can; Latin ones are told by nothing here.
    detected = {detect_language(text) for text in texts}
    assert detected <= {language, ""}
    # What is cut in a prompt could lose the answer.
    assert max(map(len, texts)) <= 300


def test_every_example_has_one_candidate_of_each_kind():
    for example in known_examples(["en", "ko"]):
        assert [candidate.document.meta["kind"] for candidate in example.candidates] == list(DECIDED)


def test_a_judge_that_knows_is_always_right():
    report = check_judge(judge(omniscient))
    total = 3 * sum(len(known_pairs(language)) for language in known_languages())
    assert report.outcomes.total() == total
    assert (report.accuracy, report.undecided, report.missed, report.obeyed) == (1.0, 0.0, 0.0, 0)
    # Wilson at 100 %: n / (n + z^2).
    assert report.interval[0] == pytest.approx(total / (total + 3.8415), abs=1e-4)
    assert report.asked.calls == total // 3


def test_a_gullible_judge_is_told_apart_by_hand():
    """English: nine queries, one passage with instructions; right are eight hard and nine easy ones of 27."""
    report = check_judge(judge(gullible), ["en"])
    assert report.accuracy == pytest.approx(17 / 27)
    assert report.missed == 1.0
    assert (report.obeyed, report.instructed) == (1, 1)
    assert report.lines()[:4] == [
        "kind            false_negative  hard_negative  easy_negative  undecided",
        "false_negative               0              9              0          0",
        "hard_negative                1              8              0          0",
        "easy_negative                0              0              9          0",
    ]


def test_silence_is_undecided_and_not_wrong_about_false_negatives():
    report = check_judge(judge(silent), ["ko"])
    assert (report.accuracy, report.undecided, report.missed) == (0.0, 1.0, 0.0)


def test_a_judge_below_what_is_required_stops_with_the_table():
    with pytest.raises(LLMError, match=r"(?s)labels 63.0% of the known pairs rightly, required are 80.0%:.*undecided"):
        check_judge(judge(gullible), ["en"], lowest=0.8)


def test_an_unknown_language_is_named():
    with pytest.raises(ParameterError, match="no pairs in language 'xx'; languages: ar, de, en"):
        check_judge(judge(omniscient), ["xx"])


@pytest.mark.integration
def test_the_command_prints_the_table_and_a_second_check_is_free(tmp_path):
    recipe = tmp_path / "judged.yaml"
    recipe.write_text("name: judged\ndata: {dataset: sample}\nmine: []\nllm: {model: 'llama3.1:8b'}\n")
    runner = CliRunner()
    with OllamaServer() as server:
        arguments = ["judge-check", str(recipe), "--set", f"llm.url={server.url}", "--languages", "en"]
        first = runner.invoke(main, [*arguments, "--require", "1"])
        again = runner.invoke(main, arguments)
        calls = server.answered.total()
    assert first.exit_code == 1, first.output
    assert again.exit_code == 0, again.output
    assert "false_negative" in again.stdout
    assert "(0 calls, 9 answers from the cache)" in again.stdout
    assert calls == 9


@pytest.mark.integration
def test_a_recipe_that_requires_accuracy_asks_nothing_else_before(tmp_path):
    recipe = tmp_path / "judged.yaml"
    stages = "mine: [{bm25: {top_k: 5}}, {classify: {}}]"
    recipe.write_text(f"name: judged\ndata: {{dataset: sample}}\n{stages}\nllm: {{require_accuracy: 0.99}}\n")
    with OllamaServer() as server:
        arguments = ["run", str(recipe), "--runs", str(tmp_path / "runs"), "--set", f"llm.url={server.url}"]
        result = CliRunner().invoke(main, arguments)
        asked = len(server.bodies)
    assert result.exit_code == 1
    assert "required are 99.0%" in result.output
    assert asked == sum(len(known_pairs(language)) for language in known_languages())
