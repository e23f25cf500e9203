from __future__ import annotations

import json

import pytest

from hardneg_plugin.text.sentence_end import ends_sentence


@pytest.mark.parametrize(
    "text",
    [
        "The Nile is long.",
        'He said: "It is long."',
        "Is it long?)",
        "It is long.[1][2]",
        "It is **long.**",
        "Er sagte: „Der Nil ist lang.“",
        "Mto Nile ni mrefu.",
        "나일강은 길다.",
        "ナイル川は長い。",
        "「ナイル川は長い。」",
        "尼罗河很长！",
        "هل النيل طويل؟",
        "نیل لمبا ہے۔",
        "नील लंबी है।",
        "নীল নদ দীর্ঘ।",
        "ዓባይ ረዥም ነው።",
        "Είναι μακρύς;",
        "The Nile is long. \n",
    ],
)
def test_the_end_of_a_sentence_is_known_in_any_script(text):
    assert ends_sentence(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "The Nile is",
        "The Nile is long,",
        "The Nile is long; ",
        "The Nile is long...",
        "The Nile is long…",
        "The steps are:",
        "나일강은 아프리카에서",
        "ナイル川は",
        "नील एक",
        "النيل هو",
        "",
    ],
)
def test_a_text_that_stops_inside_a_sentence_is_known(text):
    assert ends_sentence(text) is False


def test_thai_does_not_tell_as_it_writes_no_full_stop():
    assert ends_sentence("แม่น้ำไนล์เป็นแม่น้ำที่ยาว") is None
    assert ends_sentence("แม่น้ำไนล์ยาว 6,650 กิโลเมตร") is None
    assert ends_sentence("แม่น้ำไนล์...") is False


@pytest.mark.integration
@pytest.mark.parametrize("language", ["ar", "de", "en", "es", "hi"])
def test_nearly_every_sentence_of_xquad_ends_as_one(shared, language):
    lines = (shared / "data" / "xquad-r" / language / "corpus.jsonl").read_text("utf-8").splitlines()
    ends = [ends_sentence(json.loads(line)["text"]) for line in lines]
    assert sum(end is True for end in ends) / len(ends) > 0.98
