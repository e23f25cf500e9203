"""``convert`` keeps instructions where the target has a place for them, and counts what it cannot keep."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hardneg_plugin.cli import main

INSTRUCTION = "Find passages that answer the question."
FLAG = [
    {"query": "a", "pos": ["p"], "neg": ["n"], "prompt": INSTRUCTION, "type": "retrieval", "category": "bees"},
    {"query": "b", "pos": ["q"], "neg": ["m"]},
]


def message(role, content):
    return {"role": role, "content": content}


SWIFT = [
    {
        "messages": [message("system", INSTRUCTION), message("user", "a")],
        "positive_messages": [[message("user", "p")]],
        "negative_messages": [[message("user", "n")]],
    },
    {
        "messages": [message("user", "hello"), message("assistant", "yes?"), message("user", "b")],
        "positive_messages": [[message("system", "a passage"), message("user", "q")]],
        "negative_messages": [[message("user", "m")]],
    },
]


@pytest.fixture
def convert(tmp_path):
    def run(rows, target, *options):
        source = tmp_path / "rows.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        output = tmp_path / "out.jsonl"
        result = CliRunner().invoke(
            main, ["convert", str(source), str(output), "--to", target, "--overwrite", *options]
        )
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in output.read_text().splitlines()], result.stderr

    return run


def test_instructions_and_types_of_flagembedding_come_back(convert):
    rows, said = convert(FLAG, "flagembedding")
    assert [(row["prompt"], row["type"]) for row in rows] == [(INSTRUCTION, "retrieval"), ("", "")]
    assert "not read: column 'category' (1 rows)" in said
    assert "no place" not in said


def test_an_instruction_becomes_a_system_message(convert):
    rows, said = convert(FLAG, "ms-swift")
    assert rows[0]["messages"] == [message("system", INSTRUCTION), message("user", "a")]
    assert rows[1]["messages"] == [message("user", "b")]
    assert "no place in ms-swift for: type (1 rows)" in said


@pytest.mark.parametrize("target", ["ms-swift", "ms-swift-reranker"])
def test_a_system_message_comes_back(convert, target):
    rows, said = convert(SWIFT, target)
    assert rows[0]["messages"] == SWIFT[0]["messages"]
    assert "earlier turns in messages (1 rows)" in said
    assert "messages before the passage in positive_messages (1 rows)" in said


def test_a_system_message_becomes_an_instruction(convert):
    rows, _ = convert(SWIFT, "flagembedding")
    assert [row["prompt"] for row in rows] == [INSTRUCTION, ""]
    assert "type" not in rows[0]


def test_a_response_with_a_system_message(convert):
    rows = [{"query": "a", "response": "p", "rejected_response": "n", "system": INSTRUCTION}]
    assert convert(rows, "flagembedding")[0][0]["prompt"] == INSTRUCTION


@pytest.mark.parametrize("target", ["triplet", "n-tuple", "labeled-list", "tevatron"])
def test_what_has_no_place_is_counted(convert, target):
    _, said = convert(FLAG, target)
    assert f"no place in {target} for: instruction (1 rows), type (1 rows)" in said


def test_own_rows_carry_everything(convert):
    rows, said = convert(FLAG, "hardneg")
    assert (rows[0]["instruction"], rows[0]["kind"]) == (INSTRUCTION, "retrieval")
    assert "no place" not in said
    back, _ = convert(rows, "flagembedding")
    assert back[0]["prompt"] == INSTRUCTION


def test_an_instruction_that_is_no_text_is_an_error_with_its_row(tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_text(json.dumps({**FLAG[0], "prompt": ["a", "list"]}) + "\n")
    result = CliRunner().invoke(main, ["convert", str(source), str(tmp_path / "o.jsonl"), "--to", "flagembedding"])
    assert result.exit_code == 1
    assert "rows.jsonl:1: expected a text in 'prompt'" in result.output


def test_rows_of_unequal_width_are_said(convert):
    rows = [{"query": "a", "pos": ["p"], "neg": ["n", "m"]}, {"query": "b", "pos": ["q"], "neg": ["l"]}]
    _, said = convert(rows, "n-tuple")
    assert "1 rows have fewer negatives than others" in said
    assert "fewer negatives than others" not in convert(rows, "n-tuple", "--negatives", "1")[1]


def test_a_late_column_is_kept(convert):
    rows = [{"anchor": f"q{n}", "positive": f"p{n}", "negative_1": f"n{n}"} for n in range(150)]
    rows[130]["negative_2"] = "LATE"
    written, _ = convert(rows, "flagembedding")
    assert written[130]["neg"] == ["n130", "LATE"]
