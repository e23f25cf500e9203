"""Models whose cards ask for a text before queries or passages: how it is given, and that it is missed."""

from __future__ import annotations

import logging

import pytest
from click.testing import CliRunner

from hardneg_plugin.cli import main
from hardneg_plugin.search import prompt_families
from hardneg_plugin.search.load_failure import load_failure
from hardneg_plugin.search.prompt_families import asked_prompts, tell_missing_prompts

RETRIEVE = "Represent this sentence for searching relevant passages: "


@pytest.mark.parametrize(
    ("model", "prompts"),
    [
        ("intfloat/multilingual-e5-small", ("query: ", "passage: ")),
        ("intfloat/e5-large-v2", ("query: ", "passage: ")),
        ("/data/models/e5", ("query: ", "passage: ")),
        ("/cache/models--intfloat--e5-base/snapshots/0123", ("query: ", "passage: ")),
        ("BAAI/bge-base-en-v1.5", (RETRIEVE, "")),
        ("BAAI/bge-small-zh-v1.5", ("为这个句子生成表示以用于检索相关文章：", "")),
        ("nomic-ai/nomic-embed-text-v1.5", ("search_query: ", "search_document: ")),
        ("Snowflake/snowflake-arctic-embed-m", (RETRIEVE, "")),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", ("query: ", "")),
        ("mixedbread-ai/mxbai-embed-large-v1", (RETRIEVE, "")),
        ("cl-nagoya/ruri-v3-310m", ("検索クエリ: ", "検索文書: ")),
    ],
)
def test_families_that_ask(model, prompts):
    assert asked_prompts(model) == prompts


@pytest.mark.parametrize("model", ["intfloat/multilingual-e5-large-instruct", "Alibaba-NLP/gte-Qwen2-7B-instruct"])
def test_families_that_ask_for_an_instruction(model):
    query, passage = asked_prompts(model)
    assert query.startswith("Instruct: ")
    assert passage == ""


@pytest.mark.parametrize(
    "model",
    ["BAAI/bge-m3", "sentence-transformers/all-MiniLM-L6-v2", "thenlper/gte-base", "minishlab/potion-base-4M",
     "google-bert/bert-base-multilingual-cased", "/data/e5-runs/my-model", "models/base5", "LaBSE"],
)  # fmt: skip
def test_families_that_do_not(model):
    assert asked_prompts(model) is None


@pytest.fixture
def told(caplog, monkeypatch):
    monkeypatch.setattr(prompt_families, "_told", set())
    with caplog.at_level(logging.WARNING):
        yield lambda: [record.getMessage() for record in caplog.records if "ask for a text" in record.getMessage()]


def test_it_is_said_once_with_the_flags(told):
    for _ in range(2):
        tell_missing_prompts("intfloat/e5-base", {"query": "", "document": ""}, None, None)
    (said,) = told()
    assert '--query-prompt "query: " --corpus-prompt "passage: "' in said


@pytest.mark.parametrize(("own", "query"), [({"query": "query: "}, None), ({}, "query: "), ({}, "")])
def test_nothing_is_said_where_a_prompt_is_there_or_refused(told, own, query):
    tell_missing_prompts("intfloat/e5-base", own, query, None)
    assert not told()


def test_other_models_are_left_in_peace(told):
    tell_missing_prompts("BAAI/bge-m3", {}, None, None)
    assert not told()


@pytest.fixture
def e5(tmp_path, toy_model):
    """Return the folder of a model called e5 that reads words with and without a prompt."""
    words = ["red", "yes", "no", "far"]
    vectors = {
        prompt + word: [float(n), 1.0] for n, word in enumerate(words) for prompt in ("", "query: ", "passage: ")
    }
    folder = tmp_path / "e5-toy"
    toy_model(vectors).save(str(folder))
    return str(folder)


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"query": "red", "positive": "yes", "negative": "no"}\n{"query": "red", "positive": "far"}\n')
    return str(path)


def test_mine_tells_and_takes_prompts(e5, pairs, tmp_path, told):
    command = ["mine", pairs, "-o", str(tmp_path / "o.jsonl"), "--model", e5, "--num-negatives", "1"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert len(told()) == 1
    prompt_families._told.clear()
    command.append("--overwrite")
    result = CliRunner().invoke(main, [*command, "--query-prompt", "query: ", "--corpus-prompt", "passage: "])
    assert result.exit_code == 0, result.output
    assert len(told()) == 1


def test_evaluate_tells_takes_prompts_and_says_that_it_measured(e5, pairs, told):
    command = ["evaluate", e5, f"jsonl:{pairs}", "--split", "train"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert len(told()) == 1
    assert "Measured on: jsonl:" in result.output
    assert "ined and trained on" not in result.output
    prompt_families._told.clear()
    result = CliRunner().invoke(main, [*command, "--query-prompt", "query: ", "--corpus-prompt", "passage: "])
    assert result.exit_code == 0, result.output
    assert len(told()) == 1


def test_prompts_change_what_is_measured(e5, pairs, toy_model, tmp_path):
    from hardneg_plugin.run.evaluate_model import evaluate_model

    vectors = {"red": [1.0, 0.0], "yes": [0.0, 1.0], "far": [0.0, 1.0], "no": [1.0, 0.0], "? red": [0.0, 1.0]}
    toy_model(vectors).save(str(tmp_path / "m"))
    scores = [
        evaluate_model(str(tmp_path / "m"), f"jsonl:{pairs}", split="train", metrics=["RR@10"], query_prompt=prompt)
        .splits[0].results[1].means["RR@10"]
        for prompt in (None, "? ")
    ]  # fmt: skip
    assert scores == [0.5, 1.0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--query-prompt", "q: "], {"a": {"query": "q: "}, "b": {"query": "q: "}}),
        (["--query-prompt", "a=q: ", "--corpus-prompt", "b=p: "], {"a": {"query": "q: "}, "b": {"passage": "p: "}}),
        (["--query-prompt", "x=y "], {"a": {"query": "x=y "}, "b": {"query": "x=y "}}),
    ],
)
def test_benchmark_gives_prompts_to_its_models(options, expected, monkeypatch):
    from hardneg_plugin.run import suite

    seen = {}

    def load(*_, **given):
        seen.update(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(suite, "load_suite", load)
    CliRunner().invoke(main, ["benchmark", "tydi", "--model", "a=m", "--model", "b=n", *options])
    assert seen["prompts"] == expected


def test_prompts_of_a_recipe_are_for_its_models(tmp_path):
    recipe = tmp_path / "r.yaml"
    text = "name: r\ndata: {dataset: sample}\nmine: []\ntrain: null\nevaluate:\n  splits: [test]\n"
    recipe.write_text(text + "  models: {a: m}\n  prompts: {b: {query: x}, a: {text: y}}\n")
    result = CliRunner().invoke(main, ["validate", str(recipe)])
    assert result.exit_code == 1
    assert "evaluate.prompts.b: none of evaluate.models: a" in result.output
    assert (
        "evaluate.prompts.a: expected a mapping whose keys are one of query, passage, got {'text': 'y'}"
        in result.output
    )


def test_advice_fits_our_own_options():
    remote = ValueError("Loading x requires you to execute the code. Please pass `trust_remote_code=True` to allow it.")
    assert "trust_remote_code" not in load_failure(remote)
    assert "never run here" in load_failure(remote)
    gated = OSError("You are trying to access a gated repo.\nMake sure to have access, pass a token with `token=...`")
    assert "hf auth login" in load_failure(gated)
    assert "token=" not in load_failure(gated)
    assert load_failure(OSError("no such folder\nmore")) == "no such folder"
