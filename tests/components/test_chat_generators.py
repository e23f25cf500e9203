"""The generators and the adapter between Haystack and the layer that asks."""

from __future__ import annotations

import json

import pytest
from haystack.components.generators.chat import MockChatGenerator, OpenAIChatGenerator
from haystack.core.serialization import component_from_dict, component_to_dict
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret

from hardneg_plugin import RecordedChatGenerator, StrictOllamaChatGenerator, StrictOpenAIChatGenerator
from hardneg_plugin.components.chat_client import ChatClient, answer_parameters
from hardneg_plugin.components.recorded_chat_generator import pairs_file
from hardneg_plugin.errors import DatasetError, LLMError, ParameterError
from hardneg_plugin.llm.request import LLMReply, LLMRequest, Message
from hardneg_plugin.llm.token_count import fewest_tokens, likely_tokens, was_cut

REQUEST = LLMRequest((Message("system", "be brief"), Message("user", "which?")), None, 20, {"query": "q1"})


def about(*passages, form="listwise"):
    meta = {"hardneg": {"query": "q1", "passages": list(passages), "form": form}}
    return [ChatMessage.from_user("which?", meta=meta)]


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    pairs_file(path, {("q1", "p1"): ("hard_negative", 80), ("q1", "p2"): ("false_negative", 95)})
    return path


def test_pairs_are_answered_in_the_order_in_which_they_are_shown(pairs):
    (reply,) = RecordedChatGenerator(str(pairs)).run(messages=about("p2", "p1"))["replies"]
    assert json.loads(reply.text) == {
        "verdicts": [
            {"id": 1, "label": "false_negative", "hardness": 95},
            {"id": 2, "label": "hard_negative", "hardness": 80},
        ]
    }


def test_an_unknown_pair_is_an_error_or_undecided(pairs):
    with pytest.raises(LLMError, match=r"pairs.jsonl: no recorded answer about query 'q1' and passage 'p9'"):
        RecordedChatGenerator(str(pairs)).run(messages=about("p1", "p9"))
    lenient = RecordedChatGenerator(str(pairs), on_unknown="undecided")
    (reply,) = lenient.run(messages=about("p9", form="pointwise"))["replies"]
    assert json.loads(reply.text)["label"] == "undecided"
    (reply,) = lenient.run(messages=[ChatMessage.from_user("write something")])["replies"]
    assert not reply.text


def test_a_recorded_request_is_known_by_what_was_asked(tmp_path):
    path = tmp_path / "recorded.jsonl"
    line = {"key": "k", "request": REQUEST.to_dict(), "reply": LLMReply("that one", "stop", 7, 2).to_dict()}
    path.write_text(json.dumps(line) + "\n", "utf-8")
    client = ChatClient(RecordedChatGenerator(str(path)), "test")
    reply = client.send(REQUEST)
    assert (reply.text, reply.finish, reply.prompt_tokens, reply.completion_tokens) == ("that one", "stop", 7, 2)
    with pytest.raises(LLMError, match="no recorded answer about query 'q1'"):
        client.send(LLMRequest(REQUEST.messages, None, 21, {"query": "q1"}))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "bad.jsonl:2: not JSON"),
        ("[]", "bad.jsonl:2: expected a JSON object, got list"),
        ('{"key": "k"}', "bad.jsonl:2: a recorded answer needs key, request, reply; request, reply is missing"),
        ('{"key": "k", "request": {}, "reply": {"txt": 1}}', "bad.jsonl:2: the recorded answer cannot be read"),
        ('{"passage": "p", "label": "hard_negative"}', "bad.jsonl:2: expected the ids of a query and a passage"),
        ('{"query": "q", "passage": "p", "label": "hard"}', "bad.jsonl:2: expected a label (false_negative"),
        ('{"query": "q", "passage": "p", "label": "easy_negative", "hardness": 101}', "a hardness of 0 to 100"),
        (
            '{"query": "q1", "passage": "p1", "label": "easy_negative"}',
            "another verdict on query 'q1' and passage 'p1'",
        ),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, message):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"query": "q1", "passage": "p1", "label": "hard_negative"}\n' + line + "\n", "utf-8")
    with pytest.raises(DatasetError) as caught:
        RecordedChatGenerator(str(path)).warm_up()
    assert message in str(caught.value)


def test_a_missing_recording_is_named(tmp_path):
    with pytest.raises(DatasetError, match="none.jsonl: cannot be read"):
        RecordedChatGenerator(str(tmp_path / "none.jsonl")).warm_up()


@pytest.mark.parametrize(
    "generator",
    [
        RecordedChatGenerator("answers.jsonl", on_unknown="undecided", model="m"),
        StrictOllamaChatGenerator("qwen3:8b", url="http://gpu:11434", num_ctx=8192, logprobs=5, seed=1),
        StrictOllamaChatGenerator(),
        StrictOllamaChatGenerator(max_tokens=900, think="low"),
        StrictOpenAIChatGenerator("m", "http://gpu:8000/v1", logprobs=20, max_tokens=50, think=True),
        StrictOpenAIChatGenerator(generation_kwargs={"top_p": 0.5}),
    ],
)
def test_generators_survive_a_round_trip(generator):
    written = component_to_dict(generator, "it")
    again = component_from_dict(type(generator), json.loads(json.dumps(written)), "it")
    assert component_to_dict(again, "it") == written


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"num_ctx": 0}, "num_ctx must be a whole number of at least 1, got 0"),
        ({"logprobs": 21}, "logprobs must be a whole number from 0 to 20, got 21"),
        ({"timeout": -1}, "timeout must be a number of at least 0, got -1"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    with pytest.raises(ParameterError, match=message):
        StrictOllamaChatGenerator(**parameters)
    with pytest.raises(ParameterError, match="on_unknown must be one of error, undecided; got 'guess'"):
        RecordedChatGenerator("x", on_unknown="guess")


def test_only_a_chat_generator_can_be_asked():
    with pytest.raises(ParameterError, match="test: chat_generator must be a Haystack chat generator, got dict"):
        ChatClient({}, "test")


def test_what_decides_over_answers_holds_no_address_and_no_secret(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "abc123")
    written = component_to_dict(
        OpenAIChatGenerator(api_key=Secret.from_env_var("SECRET_KEY"), model="m", api_base_url="http://x", timeout=3),
        "it",
    )
    kept = answer_parameters(written)["init_parameters"]
    assert kept["model"] == "m"
    assert not {"api_key", "api_base_url", "timeout"} & set(kept)
    assert "SECRET" not in json.dumps(kept)


def test_a_generator_that_breaks_the_protocol_is_named():
    class Broken:
        def run(self, messages):
            return {"answers": []}

    with pytest.raises(LLMError, match="test: Broken must answer with a list of messages"):
        ChatClient(Broken(), "test").send(REQUEST)


def test_no_reply_is_an_empty_answer():
    class Silent:
        def run(self, messages):
            return {"replies": []}

    assert ChatClient(Silent(), "test").send(REQUEST) == LLMReply("")


async def test_a_generator_without_run_async_is_asked_in_a_thread():
    class Slow:
        def run(self, messages):
            return {"replies": [ChatMessage.from_assistant("done")]}

    assert (await ChatClient(Slow(), "test").send_async(REQUEST)).text == "done"
    assert ChatClient(Slow(), "test").close() is None


def test_haystacks_own_mock_can_be_asked():
    client = ChatClient(MockChatGenerator("yes", model="mock"), "test")
    assert client.send(REQUEST).text == "yes"
    assert client.model == "mock"


def test_token_counts_are_bounds(shared):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(shared / "models" / "mbert-tokenizer")
    for text in (
        "The quick brown fox.",
        "Der schnelle Fuchs springt.",
        "한강은 서울을 지난다.",
        "京都は古い都だ。",
        "سريع",
    ):
        counted = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        assert fewest_tokens([Message("user", text)]) <= counted


def test_a_cut_prompt_is_recognised():
    """2,000 words of 5 letters and a space: 4,000 tokens or so in a context of 4,096."""
    prompt = [Message("user", "words " * 2000)]
    assert fewest_tokens(prompt) == 2000
    assert likely_tokens(prompt) == 4000
    assert was_cut(prompt, 1999, 4096)
    assert was_cut(prompt, 2050, 4096)
    assert was_cut(prompt, 4096, 4096)
    assert not was_cut(prompt, 2600, 4096)
    assert not was_cut([Message("user", "words " * 1000)], 2050, 4096)
