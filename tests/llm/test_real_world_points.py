"""What real servers do that stand-ins did not: each point was seen on a real llama.cpp server or a real Ollama."""

from __future__ import annotations

import asyncio
import json
import math

import ollama
import pytest
from fake_clients import Echo, ServerError, questions
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.utils import Secret
from ollama_server import OllamaServer

from hardneg_plugin import StrictOllamaChatGenerator, StrictOpenAIChatGenerator
from hardneg_plugin.components.chat_client import ChatClient
from hardneg_plugin.components.served_model import address_fault
from hardneg_plugin.errors import BudgetError, LLMError, ParameterError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.ask_async import ask_async
from hardneg_plugin.llm.budget import Budget
from hardneg_plugin.llm.failures import failure_of
from hardneg_plugin.llm.ollama_name import canonical_name
from hardneg_plugin.llm.prompt import PromptPassage, load_prompt
from hardneg_plugin.llm.reasons import REASONS
from hardneg_plugin.llm.request import LLMReply, LLMRequest, Message, TokenLogprob
from hardneg_plugin.llm.session import RetryPolicy, session
from hardneg_plugin.llm.token_count import fewest_tokens, most_tokens, was_cut
from hardneg_plugin.llm.verdicts import answer_of, label_probability, read_listwise, read_pointwise

pytestmark = pytest.mark.integration
QUICK = RetryPolicy(tries=2, base=0.001, longest=0.01, breaker=2)


def of_ollama(server, **parameters):
    return ChatClient(StrictOllamaChatGenerator(url=server.url, **parameters), "test")


def of_openai(server, **parameters):
    return ChatClient(StrictOpenAIChatGenerator("served", f"{server.url}/v1", **parameters), "test")


def of_haystack(server, **parameters):
    key = Secret.from_token("none")
    return ChatClient(
        OpenAIChatGenerator(api_key=key, model="served", api_base_url=f"{server.url}/v1", max_retries=0, **parameters),
        "test",
    )


def shown(count, words="copper kettle", max_tokens=None):
    """A question about so many passages."""
    passages = [PromptPassage(number, f"{words} {number}") for number in range(1, count + 1)]
    variables = {"query": "which kettle", "positive": "boils water quickly", "passages": passages}
    return load_prompt("classify_listwise").request(
        variables, max_tokens=max_tokens or 40 * count + 40, about={}, count=count
    )


def with_threads(client, requests):
    client.warm_up()
    return list(ask(client, requests, workers=2, task="test"))


def in_a_loop(client, requests):
    async def gather():
        await client.warm_up_async()
        return [answer async for answer in ask_async(client, requests, workers=2, task="test")]

    return asyncio.run(gather())


both = pytest.mark.parametrize("ask_all", [with_threads, in_a_loop])


@both
def test_no_key_no_crash(ask_all, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with OllamaServer() as server, session():
        (answer,) = ask_all(of_openai(server), [shown(2)])
    assert read_listwise(answer.reply, 2)[0].label == "hard_negative"


def test_openais_own_server_says_that_it_needs_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(LLMError, match=r"https://api.openai.com/v1 needs a key: put it into OPENAI_API_KEY"):
        StrictOpenAIChatGenerator().warm_up()


@both
@pytest.mark.parametrize("client_of", [of_openai, of_haystack])
@pytest.mark.parametrize(("fault", "reason"), [("length", "cut off"), ("filtered", "filtered")])
def test_one_answer_never_ends_a_run(ask_all, client_of, fault, reason):
    with OllamaServer(fault=lambda number, body: fault if number == 1 else None) as server, session() as opened:
        answers = ask_all(client_of(server), [shown(2), shown(3), shown(4)])
        assert len(server.bodies) == 3
    outcomes = [
        read_listwise(answer.reply, count)[0].reason if answer.reply else answer.reason
        for count, answer in zip((2, 3, 4), answers, strict=True)
    ]
    assert sorted(outcomes) == ["", "", reason]
    assert opened.usage.total().calls + opened.usage.total().unanswered == 3


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "request (1284 tokens) exceeds the available context size (1024 tokens), try increasing it"),
        (500, "Context size has been exceeded."),
        (400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"),
        (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
        (400, "max_tokens must be at least 1, got -12."),
        (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens)."),
        (400, "Requested token count exceeds the model's maximum context length of 4096 tokens."),
        (400, "Trying to keep the first 5000 tokens when context the overflows."),
        (400, "The number of tokens to keep from the initial prompt is greater than the context length"),
        (400, "Reached context length of 4096 tokens with this model"),
        (400, '{"error": {"code": 400, "message": "no", "type": "exceed_context_size_error"}}'),
    ],
)
def test_too_long_is_recognised_everywhere(status, words):
    inner = json.dumps({"error": {"message": words, "code": status}})
    for error in (ServerError(status, words), ollama.ResponseError(json.dumps({"error": inner}), status)):
        assert failure_of(error)[:2] == ("request", "prompt too long")


@both
@pytest.mark.parametrize("template", [True, False])
def test_a_prompt_that_does_not_fit_is_refused_and_the_run_goes_on(ask_all, template):
    long = shown(9, "copper kettle " * 8, max_tokens=1)
    # The fewest tokens that it can have fit: it is the server that refuses it.
    with OllamaServer(template=template, context=fewest_tokens(long.messages) + 10) as server, session() as opened:
        answers = ask_all(of_ollama(server), [shown(2, max_tokens=60), long, shown(3, max_tokens=60)])
        assert len(server.bodies) == 3
    assert [answer.reason for answer in answers] == ["", "prompt too long", ""]
    assert opened.usage.total().unanswered == 1


@both
def test_the_server_is_told_to_cut_nothing(ask_all):
    with OllamaServer() as server, session():
        ask_all(of_ollama(server), [shown(1)])
        assert (server.bodies[0]["truncate"], server.bodies[0]["shift"]) == (False, False)


@pytest.mark.parametrize(
    "text",
    ["0123456789 " * 380, "한강은 서울을 지나 서해로 흐른다 " * 90, "ঢাকা বাংলাদেশের রাজধানী " * 60],
    ids=["digits", "korean", "bengali"],
)
def test_no_cut_prompt_is_ever_taken_for_whole(text):
    """Each has more tokens than the context in some tokenizer, and the server read half of the context."""
    prompt = [Message("user", text)]
    assert most_tokens(prompt) > 3072
    assert was_cut(prompt, 2060, 4096)
    assert not was_cut([Message("user", text[: len(text) // 6])], 600, 4096)


def test_an_answer_that_overflows_the_context_gives_the_cut_away():
    prompt = [Message("user", "word " * 100)]
    assert was_cut(prompt, 900, 1024, written=125)
    assert not was_cut(prompt, 900, 1024, written=124)


def test_a_context_above_that_of_the_model_is_lowered_to_it():
    """The server reads half of 256 tokens of the prompt, of the 4,096 that were asked for."""
    with OllamaServer(context=256, fault=lambda number, body: "truncate") as server, session():
        client = of_ollama(server, num_ctx=4096)
        (answer,) = with_threads(client, [shown(4, "kettle 0123456789" * 2, max_tokens=1)])
        assert server.bodies[0]["options"]["num_ctx"] == 4096
    assert answer.reason == "prompt too long"


def test_schemas_say_how_many():
    schema = shown(7).schema["properties"]["verdicts"]
    assert (schema["minItems"], schema["maxItems"]) == (7, 7)
    each = schema["items"]["properties"]
    assert each["id"] == {"type": "integer", "minimum": 1, "maximum": 7}
    assert each["hardness"] == {"type": "integer", "minimum": 0, "maximum": 100}
    written = load_prompt("generate").request(
        {"query": "q", "positive": "", "language": "", "num_passages": 3, "min_words": 1, "max_words": 9},
        max_tokens=9,
        about={},
        count=3,
    )
    assert written.schema["properties"]["passages"]["maxItems"] == 3
    # What is shared by all requests stays as it was read.
    assert "minItems" not in load_prompt("classify_listwise").schema["properties"]["verdicts"]


@pytest.mark.parametrize("name", ["classify_listwise", "classify_pointwise", "rank"])
def test_keys_stand_in_the_order_of_the_alphabet_in_prompt_and_schema(name):
    """A server that sorts the keys of a schema then asks for the form that the prompt shows."""
    prompt = load_prompt(name)
    schema = prompt.schema["properties"]
    keys = list(schema.get("verdicts", {}).get("items", {}).get("properties", schema))
    assert keys == sorted(keys)
    positions = [prompt.system.index(f'"{key}":') for key in keys]
    assert positions == sorted(positions)


def test_words_may_repeat_and_what_the_user_says_counts():
    with OllamaServer() as server, session():
        with_threads(of_ollama(server), [shown(1)])
        with_threads(of_ollama(server, generation_kwargs={"num_predict": 2000, "repeat_penalty": 1.2}), [shown(1)])
        with_threads(of_ollama(server, max_tokens=900), [shown(1)])
        options = [body["options"] for body in server.bodies]
    assert [(one["repeat_penalty"], one["num_predict"]) for one in options] == [(1.0, 80), (1.2, 2000), (1.0, 900)]


@pytest.mark.parametrize(("think", "sent"), [(False, False), (True, True), ("low", "low"), ("unset", None)])
def test_a_model_thinks_as_the_user_says_and_has_room_for_it(think, sent):
    with OllamaServer() as server, session():
        with_threads(of_ollama(server, think=think), [shown(1)])
        (body,) = server.bodies
    assert body.get("think") == sent
    assert (body["options"]["num_predict"] > 1000) == (think is not False)


def test_thinking_on_other_servers():
    def body(**parameters):
        with OllamaServer() as server, session():
            with_threads(of_openai(server, **parameters), [shown(1)])
            return server.bodies[0]

    assert not {"reasoning_effort", "chat_template_kwargs"} & set(body())
    off = body(think=False)
    assert (off["reasoning_effort"], off["chat_template_kwargs"]) == ("none", {"enable_thinking": False})
    low = body(think="low", generation_kwargs={"reasoning_effort": "medium"})
    assert (low["reasoning_effort"], low["max_tokens"] > 1000) == ("medium", True)
    with pytest.raises(ParameterError, match="think must be true, false, low, medium, high, max or unset, got 'much'"):
        StrictOpenAIChatGenerator(think="much")


@pytest.mark.parametrize("client_of", [of_openai, of_haystack])
def test_limits_reach_every_server(client_of):
    with OllamaServer() as server, session():
        with_threads(client_of(server), [shown(2)])
        with_threads(client_of(server, generation_kwargs={"max_tokens": 7}), [shown(2)])
        first, second = server.bodies
    assert (first["max_tokens"], first["max_completion_tokens"]) == (120, 120)
    assert second["max_tokens"] == 7
    assert second.get("max_completion_tokens") in (7, None)


@both
@pytest.mark.parametrize("client_of", [of_ollama, of_openai])
def test_the_servers_own_words_survive(ask_all, client_of):
    with (
        OllamaServer(fault=lambda number, body: "terminated") as server,
        session(retries=QUICK),
        pytest.raises(
            LLMError, match=rf"at {server.url}.* does not answer: server error 500 \(llama-server process"
        ) as e,
    ):
        ask_all(client_of(server), [shown(1), shown(2), shown(3)])
    assert "insufficient memory" in str(e.value)
    assert "take a smaller one, or a smaller num_ctx" in str(e.value)


def test_a_broken_connection_names_the_url():
    with OllamaServer() as server:
        gone = of_openai(server)
    with pytest.raises(LLMError, match=f"no language model at {gone.where}: no connection; start the server"):
        gone.warm_up()


def test_an_address_without_a_scheme_or_a_version_is_told():
    with pytest.raises(ParameterError, match="the url must begin with http:// or https://.*; got 'gpu:8000/v1'"):
        StrictOpenAIChatGenerator("m", "gpu:8000/v1")
    assert "http://gpu:8000/v1?" in address_fault("http://gpu:8000")
    assert "expected http://HOST:PORT/v1" in address_fault("gpu:8000/v1")
    assert not address_fault("https://host/v1beta/openai/")
    with OllamaServer() as server, session(), pytest.raises(LLMError, match=r"no such page, no /v1 here.*ends? in /v1"):
        with_threads(ChatClient(StrictOpenAIChatGenerator("m", server.url), "test"), [shown(1)])


def raw(*entries):
    return tuple(TokenLogprob(text, math.log(p), {k: math.log(v) for k, v in top.items()}) for text, p, top in entries)


def test_one_label_seen_gives_a_bound():
    """`hard` has 0.9; the others have 0.02 each at most, the last one's, and 0.03 together, what is left."""
    seen = {"hard": 0.9, "```": 0.05, "I": 0.02}
    tokens = raw(('{"label":"', 0.9, {}), ("hard", 0.9, seen), ("_negative", 1.0, {}))
    assert label_probability(tokens, "false_negative") == pytest.approx(0.02 / 0.92)
    assert label_probability(tokens, "hard_negative") == pytest.approx(0.9 / 0.93)


def test_a_label_outside_the_likeliest_tokens_is_seen_all_the_same():
    tokens = raw(('{"label":"', 0.9, {}), ("false", 0.001, {"```": 0.9, "Sure": 0.05}), ("_negative", 1.0, {}))
    low = label_probability(tokens, "false_negative")
    assert low == pytest.approx(0.001 / (0.001 + 0.049))


def test_white_space_and_tokens_before_the_answer_do_not_matter():
    parts = {"false": 0.3, "hard": 0.6, "easy": 0.1}
    tokens = raw(
        ("``", 0.5, {}),
        ("`", 0.5, {}),
        ('{ "label" :', 0.9, {}),
        ("\n  ", 0.9, {}),
        ('"', 1.0, {}),
        ("hard", 0.6, parts),
    )
    assert label_probability(tokens, "false_negative") == pytest.approx(0.3)


def test_a_contradiction_keeps_its_probability():
    tokens = raw(('{"hardness":0,"label":"', 0.9, {}), ("hard", 0.6, {"false": 0.3, "hard": 0.6, "easy": 0.1}))
    judgement = read_pointwise(LLMReply('{"hardness":0,"label":"hard_negative"}', logprobs=tokens))
    assert (judgement.label, judgement.reason) == ("undecided", "contradiction")
    assert judgement.probability == pytest.approx(0.3)


def test_listwise_answers_have_a_probability_each():
    def verdict(number, first, parts):
        return [
            (f'{{"hardness":50,"id":{number},"label":"', 0.9, {}),
            (first, parts[first], parts),
            ('_negative"}' + "," * (number == 2), 1.0, {}),
        ]

    tokens = raw(
        ('{"verdicts":[', 1.0, {}),
        *verdict(2, "hard", {"false": 0.3, "hard": 0.6, "easy": 0.1}),
        *verdict(1, "false", {"false": 0.8, "hard": 0.1, "easy": 0.1}),
        ("]}", 1.0, {}),
    )
    text = "".join(token.token for token in tokens)
    odds = [judgement.probability for judgement in read_listwise(LLMReply(text, logprobs=tokens), 2)]
    assert odds == [pytest.approx(0.8), pytest.approx(0.3)]


@both
@pytest.mark.parametrize("client_of", [of_ollama, of_openai])
def test_probabilities_come_from_every_server(ask_all, client_of):
    with OllamaServer() as server, session():
        (answer,) = ask_all(client_of(server, logprobs=20), [shown(1)])
        assert (server.bodies[0]["logprobs"], server.bodies[0]["top_logprobs"]) == (True, 20)
    assert read_listwise(answer.reply, 1)[0].probability == pytest.approx(0.611, abs=0.001)


def test_a_bad_answer_is_not_cached_for_good():
    """All answers of a broken server are of no use; the mended one is asked again, and for nothing but these."""
    broken = [True]
    with OllamaServer(fault=lambda number, body: "wrong ids" if broken[0] and number % 2 else None) as server:
        client = of_ollama(server)
        requests = [request_with_reader(count) for count in (2, 3, 4, 5)]
        for expected in (4, 4 + 2, 4 + 2):
            with session():
                with_threads(client, requests)
                # In the same run the answer stands, for other systems that ask the same.
                with_threads(client, requests)
            assert len(server.bodies) == expected
            broken[0] = False


def request_with_reader(count):
    def reader(reply):
        return read_listwise(reply, count)[0].reason

    plain = shown(count)
    return LLMRequest(plain.messages, plain.schema, plain.max_tokens, {}, reader)


def test_another_model_under_the_same_name_is_asked():
    with OllamaServer() as server:
        asked = []
        # The same model twice, then another one.
        for created in (1_750_000_000, 1_750_000_000, 1_760_000_000):
            server.created = created
            with session():
                with_threads(of_openai(server), [shown(1)])
            asked.append(len(server.bodies))
    assert asked == [1, 1, 2]


def test_the_time_of_the_question_is_no_mark_of_a_model(monkeypatch):
    """llama.cpp and vLLM give the time at which they are asked."""
    import time

    with OllamaServer() as server:
        for ago in (2, 1):
            server.created = int(time.time()) - ago
            with session():
                with_threads(of_openai(server), [shown(1)])
        assert len(server.bodies) == 1


@both
def test_an_answer_broken_off_without_counts_is_cut_off_and_estimated(ask_all):
    with OllamaServer(fault=lambda number, body: "done false") as server:
        with session(budget=Budget(tokens=100_000)) as opened:
            (answer,) = ask_all(of_ollama(server), [shown(2)])
        assert read_listwise(answer.reply, 2)[0].reason == "cut off"
        assert 20 < opened.usage.total().prompt_tokens < 400
        with session(budget=Budget(tokens=50)), pytest.raises(BudgetError, match="tokens of 50"):
            ask_all(of_ollama(server), [shown(2), shown(3), shown(4), shown(5)])


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("SmolLM2:135M", "smollm2:135m"),
        ("llama3.1", "llama3.1:latest"),
        ("registry.ollama.ai/library/llama3.1:8b", "llama3.1:8b"),
        ("https://registry.ollama.ai/library/llama3.1:8b", "llama3.1:8b"),
        ("library/llama3.1:8b", "llama3.1:8b"),
        ("me/judge:v2", "me/judge:v2"),
        ("hf.co/bartowski/X-GGUF:Q4_K_M", "hf.co/bartowski/x-gguf:q4_k_m"),
    ],
)
def test_names_are_read_as_ollama_reads_them(name, canonical):
    assert canonical_name(name) == canonical


@pytest.mark.parametrize("name", ["SmolLM2:135M", "registry.ollama.ai/library/smollm2:135m"])
def test_a_name_that_the_server_accepts_is_accepted(name):
    with OllamaServer(models={"smollm2:135m": "abc"}) as server, session():
        client = of_ollama(server, model=name)
        with_threads(client, [shown(1)])
        assert client.identity["digest"] == "abc"


def test_a_server_that_loads_its_model_is_waited_for():
    with OllamaServer(loading=1) as server, session(retries=RetryPolicy(base=0.001)) as opened:
        with_threads(of_ollama(server), [shown(1)])
    assert (opened.usage.total().calls, opened.usage.total().retries) == (1, 1)


def test_all_reasons_are_known():
    errors = [ServerError(status) for status in (408, 429, 500, 503, 524)]
    errors += [TimeoutError(), ConnectionError(), ServerError(413)]
    assert {failure_of(error).reason for error in errors} <= REASONS
    replies = [LLMReply(""), LLMReply("{"), LLMReply("{", "length"), LLMReply("{}"), LLMReply("", "filtered")]
    replies += [LLMReply(answer_of([("hard_negative", 0)], "listwise")), LLMReply(answer_of([], "listwise"))]
    found = {read_listwise(reply, 1)[0].reason for reply in replies}
    assert found == {"empty", "not JSON", "cut off", "wrong form", "filtered", "contradiction", "wrong ids"}
    assert found <= REASONS


def test_a_client_without_an_address_is_asked_as_before():
    client = Echo(lambda text, number: ServerError(500))
    with session(retries=QUICK), pytest.raises(LLMError, match=r"the language model does not answer: server error 500"):
        list(ask(client, questions(3), workers=1, task="test"))
