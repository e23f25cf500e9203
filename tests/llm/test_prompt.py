"""Prompts, fences, recordings and the probability of a label."""

from __future__ import annotations

import math

import pytest

from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.llm.fence import escape_untrusted_text
from hardneg_plugin.llm.prompt import PromptPassage, load_prompt, shipped_prompts
from hardneg_plugin.llm.recording import known_keys
from hardneg_plugin.llm.request import LLMReply, LLMRequest, Message, TokenLogprob, request_key
from hardneg_plugin.llm.verdicts import label_probability, read_pointwise


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("plain", "plain"),
        (" two\nlines\t\u2028here ", "two lines here"),
        ("</1><2>", "‹/1›‹2›"),
        ("<|im_start|>system", "‹|im_start|›system"),
        ("[INST] x [/inst]", "(INST) x (/inst)"),
        ("a\u202eb\u200fc", "abc"),
        ("क्\u200dष", "क्\u200dष"),
        ("\x00\x1b[31m", "[31m"),
        ("", ""),
    ],
)
def test_text_becomes_data(text, data):
    assert escape_untrusted_text(text) == data
    assert escape_untrusted_text(data) == data


@pytest.mark.parametrize(("length", "cut"), [(9, "one two…"), (7, "one tw…"), (3, "on…"), (1, "…")])
def test_data_is_cut_at_a_word_where_one_is_near(length, cut):
    assert escape_untrusted_text("one two three", length) == cut


def test_the_shipped_prompts_state_what_they_ask_for():
    assert shipped_prompts() == ["classify_listwise", "classify_pointwise", "generate", "rank"]
    for name in shipped_prompts():
        prompt = load_prompt(name)
        assert prompt.schema["additionalProperties"] is False
        assert all(key in prompt.system for key in prompt.schema["required"])
        # Constants first, the passages last: what comes before a passage is the same for all of a query.
        assert prompt.user.index("query") < prompt.user.rindex("passage")


def test_a_prompt_makes_data_of_everything_that_is_filled_in():
    request = load_prompt("classify_listwise").request(
        {"query": "a <b>", "positive": "", "passages": [PromptPassage(1, "x\n</1>"), PromptPassage(2, "{{ query }}")]},
        max_tokens=10,
        about={},
    )
    assert request.messages[1].content == "<query>a ‹b›</query>\n<1>x ‹/1›</1>\n<2>{{ query }}</2>"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "cannot be read as YAML"),
        ("system: x", "expected the keys version, system, user, schema; got system"),
        ("{version: 1, system: 1, user: x, schema: []}", "system, schema: expected texts"),
        ("{version: 1, system: '{% if', user: x, schema: null}", "not a Jinja template"),
    ],
)
def test_a_broken_prompt_file_is_named(tmp_path, content, message):
    path = tmp_path / "mine.yaml"
    path.write_text(content, "utf-8")
    with pytest.raises(ParameterError) as caught:
        load_prompt(str(path))
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_prompt_that_is_not_there_is_refused_with_the_names():
    with pytest.raises(ParameterError, match="one of classify_listwise, classify_pointwise, generate, rank"):
        load_prompt("clasify")


def test_a_prompt_must_use_what_it_is_given(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("{version: 1, system: '{{ qery }}', user: x, schema: null}", "utf-8")
    with pytest.raises(ParameterError, match="expected the variables query, and at most positive, query; got qery"):
        load_prompt(str(path)).check_variables({"query", "positive"}, {"query"})


def test_a_template_cannot_reach_into_python(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("{version: 1, system: '{{ query.__class__.__mro__ }}', user: x, schema: null}", "utf-8")
    with pytest.raises(ParameterError, match="unsafe"):
        load_prompt(str(path)).request({"query": "x"}, max_tokens=1, about={})


def test_a_key_depends_on_model_and_question_alone():
    request = LLMRequest((Message("user", "x"),), {"a": 1, "b": 2}, 5, {"query": "q1"})
    other = LLMRequest((Message("user", "x"),), {"b": 2, "a": 1}, 5, {"query": "q2"})
    model = {"model": "m", "options": {"t": 0}}
    assert request_key(model, request) == request_key(dict(reversed(model.items())), other)
    assert request_key(model, request) != request_key({**model, "model": "n"}, request)
    assert request_key(model, request) != request_key(model, LLMRequest(request.messages, request.schema, 6))
    assert len(request_key(model, request)) == 64


def tokens(*entries):
    return tuple(TokenLogprob(text, math.log(0.9), {k: math.log(v) for k, v in top.items()}) for text, top in entries)


def test_the_probability_of_a_label_by_hand():
    logprobs = tokens(('{"label', {}), ('":"', {}), ("hard", {"hard": 0.6, "false": 0.3, "easy": 0.06, "h": 0.04}))
    assert label_probability(logprobs, "false_negative") == pytest.approx(0.3)
    assert label_probability(logprobs, "hard_negative") == pytest.approx(0.64)
    assert label_probability((), "hard_negative") is None


def test_labels_that_part_at_a_later_token():
    logprobs = tokens(('{"label": "', {}), ("f", {"f": 0.2, "h": 0.7, "ea": 0.1}))
    reply = LLMReply('{"label": "false_negative", "hardness": 90}', logprobs=logprobs)
    assert read_pointwise(reply).probability == pytest.approx(0.2)


def test_a_reply_survives_a_round_trip():
    reply = LLMReply("x", "length", 3, 4, 0.5, tokens(("a", {"a": 0.5})))
    assert LLMReply.from_dict(reply.to_dict()) == reply


def test_a_recording_that_is_none_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n", "utf-8")
    with pytest.raises(DatasetError, match=r"notes.txt:1: not JSON"):
        known_keys(path)
