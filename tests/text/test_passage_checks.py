from __future__ import annotations

from dataclasses import replace

import pytest

from hardneg_plugin.text.passage_checks import GeneratedPassage, PassageChecks

CHECKS = PassageChecks(min_words=5, max_words=20)
GOOD = GeneratedPassage("The Danube flows through ten countries of Europe.", query="longest river of South America")


def fault(text: str, **given) -> str:
    return CHECKS.fault(replace(GOOD, text=text, **given))


def test_a_good_passage_has_no_fault():
    assert CHECKS.fault(GOOD) == ""
    assert CHECKS.all_faults(GOOD) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (" ... ", "empty"),
        ("I'm sorry, I cannot do that for you.", "refusal"),
        ("Here are three hard negative passages that meet the requirements:", "preamble"),
        ("1. The Danube flows through ten countries.", "preamble"),
        ("The Danube is long. (Note: This passage does not answer the query.)", "instruction"),
        ("The Danube flows through ten countries of", "cut off"),
        ("The Danube flows.", "too short"),
        ("The Danube flows. " * 9, "too long"),
    ],
)
def test_each_fault_is_named(text, expected):
    assert fault(text) == expected


def test_a_fifth_outside_the_limits_is_tolerated():
    assert fault("It flows through Europe.") == ""
    assert fault("It flows east.") == "too short"
    assert fault(f"{'word ' * 23}end.") == ""
    assert fault(f"{'word ' * 24}end.") == "too long"


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("다뉴브강은 유럽의 열 개 나라를 지나서 흐른다.", "ko", ""),
        ("The Danube flows through ten countries of Europe.", "ko", "language"),
        ("ドナウ川はヨーロッパの十か国を流れる長い川である。", "ja", ""),
        ("ドナウ川はヨーロッパの十か国を流れる長い川である。", "zh", "language"),
        ("多瑙河流经欧洲十个国家，最后流入黑海。", "zh", ""),
        ("แม่น้ำดานูบไหลผ่านสิบประเทศในทวีปยุโรปลงสู่ทะเลดำ", "th", ""),
        ("يجري نهر الدانوب عبر عشر دول في أوروبا.", "ar", ""),
        ("डेन्यूब यूरोप के दस देशों से होकर बहती है।", "hi", ""),
        ("Mto Danube hupita katika nchi kumi za Ulaya.", "sw", ""),
        (
            "The Danube is a river in the east of Europe that flows to the sea and it is for many the longest.",
            "sw",
            "language",
        ),
        # Nobody knows the language of the query.
        ("다뉴브강은 유럽의 열 개 나라를 지나서 흐른다.", "", ""),
    ],
)
def test_passages_in_many_languages_are_judged_by_their_own_rules(text, language, expected):
    assert fault(text, language=language) == expected


def test_the_language_check_can_be_turned_off():
    checks = replace(CHECKS, language=False)
    assert checks.fault(replace(GOOD, language="ko")) == ""


def test_copies_are_told_from_what_they_copy():
    text = GOOD.text
    assert fault(text, query="The Danube flows through ten countries of Europe") == "copy of the query"
    assert fault(text, positives=("Something else.", "the danube flows through ten countries of Europe!")) == (
        "copy of a positive"
    )
    assert fault(text, earlier=("Of Europe, the Danube flows through ten countries.",)) == ""
    assert fault(text, earlier=("And the Danube flows through ten countries of Europe.",)) == "copy of another"


def test_without_a_similarity_only_equal_texts_are_copies():
    checks = replace(CHECKS, near_duplicate=None)
    near = replace(GOOD, earlier=("And the Danube flows through ten countries of Europe.",))
    assert checks.fault(near) == ""
    assert checks.fault(replace(GOOD, earlier=(GOOD.text.upper(),))) == "copy of another"


def test_a_passage_with_the_answer_is_no_negative():
    assert fault("The Amazon is longer than the Danube.", answers=("Amazon",)) == "contains the answer"
    assert fault("The Amazonas is longer than the Danube.", answers=("Amazon",)) == ""


def test_a_passage_that_the_model_was_stopped_in_is_cut_off_whatever_its_end():
    assert fault(GOOD.text, complete=False) == "cut off"
    assert fault("แม่น้ำดานูบไหลผ่านสิบประเทศในทวีปยุโรปลงสู่ทะเลดำ", language="th", complete=False) == "cut off"


def test_forty_characters_of_the_prompt_are_an_instruction():
    rule = "a careful reader finds no answer to the query in it neither stated nor implied"
    checks = replace(CHECKS, instructions=rule)
    assert checks.fault(replace(GOOD, text="A careful reader finds no answer to the QUERY, in it.")) == "instruction"
    assert checks.fault(replace(GOOD, text="A careful reader finds no answer to this riddle.")) == ""


def test_the_first_fault_counts_and_all_can_be_listed():
    bad = replace(GOOD, text="Here are three passages about the Danube and:")
    assert CHECKS.fault(bad) == "preamble"
    assert CHECKS.all_faults(bad) == ["preamble", "cut off"]
