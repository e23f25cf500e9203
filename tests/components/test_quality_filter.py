from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hand_made import corpus_of, found, kept, own_candidates, reasons
from haystack import Document

from hardneg_plugin import MiningExample
from hardneg_plugin.cache import staging_folder
from hardneg_plugin.components.quality_filter import QualityFilter, count_removals
from hardneg_plugin.records import read_parquet, table_of, with_table, write_parquet
from hardneg_plugin.records.corpus_writer import CorpusWriter, publish_corpus
from hardneg_plugin.records.scores import with_scores

ANSWER = "The Nile flows north through eleven countries."
# UTF-8 bytes read as Windows-1252, as they stand in many collections.
BROKEN, REPAIRED = "FÃ¼r die StraÃŸe gilt das auch.", "Für die Straße gilt das auch."


def asked(query: str, *positives: str | None, name: str = "q", **values: Any) -> MiningExample:
    documents = [Document(id=f"{name}+{number}", content=text) for number, text in enumerate(positives)]
    return MiningExample(name, query, tuple(documents), **values)


def outcome(*examples: MiningExample, **parameters: Any) -> tuple[list[str], dict[str, str]]:
    """Ids that are kept, and id → reason of the others."""
    result = QualityFilter(**parameters).run(examples=list(examples))
    return [one.id for one in result["examples"]], {one.id: one.meta["rejected"] for one in result["rejected"]}


def rejected(query: str, *positives: str | None, language: str = "", **parameters: Any) -> str:
    """Why one example is rejected; empty where it is kept."""
    return outcome(asked(query, *positives, language=language), **parameters)[1].get("q", "")


# Queries and positives


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("x" * 9, "query: too short"),
        ("x" * 10, ""),
        ("x" * 512, ""),
        ("x" * 513, "query: too long"),
        ("  " + "x" * 9 + "  ", "query: too short"),
        ("?!... --- ...", "query: empty"),
        ("what is\x07 a bell", "query: control characters"),
        ("what is\ta tab\n", ""),
        ("what is " + BROKEN, "query: mojibake"),
        ("what doesn\u00e2\u0080\u0099t it do", "query: mojibake"),
        ("what is a \ufffd \ufffd sign", "query: mojibake"),
    ],
)
def test_a_query_is_judged_by_the_defaults(query, reason):
    assert rejected(query, ANSWER) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "positive: empty"),
        (" \n", "positive: empty"),
        ("—", "positive: empty"),
        ("x" * 19, "positive: too short"),
        ("x" * 20, ""),
        ("x" * 2048, ""),
        ("x" * 2049, "positive: too long"),
        (ANSWER + "\x00", "positive: control characters"),
        (ANSWER + BROKEN, "positive: mojibake"),
    ],
)
def test_a_positive_is_judged_by_the_defaults(text, reason):
    assert rejected("which way does the Nile flow", text) == reason


def test_every_rule_can_be_turned_off():
    off: dict[str, Any] = dict.fromkeys(
        ("min_query_chars", "max_query_chars", "min_passage_chars", "max_passage_chars", "mojibake", "script_share")
    )
    off |= {"control_characters": False, "duplicates": False, "near_duplicate": None, "equal_to_positive": False}
    bad = [
        asked(text, text, name=name, language="ko") for name, text in zip("abc", ["x", "x", BROKEN * 99], strict=True)
    ]
    assert outcome(*bad, **off) == (["a", "b", "c"], {})
    assert QualityFilter(**off).needs_all_examples is False
    assert QualityFilter(**(off | {"duplicates": True})).needs_all_examples is True
    assert QualityFilter(**(off | {"near_duplicate": 0.9})).needs_all_examples is True


def test_syllables_and_words_of_one_character_count_for_more_against_the_lower_limits():
    assert rejected("한강은 어디로", "한강은 서울을 지나 서해로 흐른다.") == ""  # 7 and 18 characters
    assert rejected("한강은 어디로", "한강은 서울을 지나 서해로 흐른다.", dense_weight=1) == "query: too short"
    assert rejected("한강은 어디로 흐르나", "한강은 서울로.", dense_weight=2) == "positive: too short"
    # The upper limits are plain.
    assert rejected("漢" * 512, "漢" * 2048) == ""


def test_an_unfit_positive_is_left_out_and_the_example_stays():
    example = asked("which way does the Nile flow", "too short", ANSWER, None, meta={"page": 3})
    (after,) = QualityFilter().run(examples=[example])["examples"]
    assert [document.content for document in after.positives] == [ANSWER]
    assert dict(after.meta) == {
        "page": 3,
        "removed_positives": [
            {"id": "q+0", "reason": "positive: too short"},
            {"id": "q+2", "reason": "positive: empty"},
        ],
    }
    assert len(example.positives) == 3


def test_an_example_without_a_fit_positive_is_rejected_for_the_first_reason():
    example = asked("which way does the Nile flow", "too short", None)
    (after,) = QualityFilter().run(examples=[example])["rejected"]
    assert after.meta["rejected"] == "positive: too short"
    assert [removed["id"] for removed in after.meta["removed_positives"]] == ["q+0", "q+1"]


def test_an_example_that_came_without_positives_is_judged_by_its_query():
    assert outcome(asked("which way does the Nile flow"), asked("short", name="r")) == (
        ["q"],
        {"r": "query: too short"},
    )


def test_a_fit_example_comes_out_as_it_went_in():
    example = asked("which way does the Nile flow", ANSWER, language="en", meta={"page": 3}, answers=("north",))
    assert QualityFilter().run(examples=[example]) == {"examples": [example], "rejected": []}


# Repeated pairs


def test_pairs_that_an_earlier_example_has_are_left_out():
    first = asked("Which way does the Nile flow?", ANSWER, name="first")
    same = asked("which way  does the nile flow", ANSWER.upper(), name="same")
    other_query = asked("where does the Nile flow to", ANSWER, name="other query")
    other_text = asked("Which way does the Nile flow?", "To the north, as everyone knows.", name="other text")
    assert outcome(first, same, other_query, other_text) == (
        ["first", "other query", "other text"],
        {"same": "pair: duplicate"},
    )
    assert outcome(first, same, duplicates=False, near_duplicate=None) == (["first", "same"], {})


def test_only_the_repeated_positive_is_left_out():
    first = asked("which way does the Nile flow", ANSWER, name="first")
    more = asked("which way does the Nile flow", ANSWER, "To the north, as everyone knows.", name="more")
    after = QualityFilter().run(examples=[first, more])["examples"][1]
    assert [document.id for document in after.positives] == ["more+1"]
    assert after.meta["removed_positives"] == [{"id": "more+0", "reason": "pair: duplicate"}]


def test_a_positive_listed_twice_counts_once():
    (after,) = QualityFilter().run(examples=[asked("which way does the Nile flow", ANSWER, ANSWER)])["examples"]
    assert [document.id for document in after.positives] == ["q+0"]


def test_pairs_that_nearly_repeat_an_earlier_one_are_left_out():
    query = "which way does the river Nile flow on its long way from the lakes to the sea"
    first = asked(query, ANSWER * 3, name="first")
    near = asked(query + "s", ANSWER * 3 + " Yes.", name="near")
    other_query = asked("how long is the river of the pharaohs", ANSWER * 3, name="other query")
    other_text = asked(query, "To the north, as everyone knows.", name="other text")
    everything = ["first", "other query", "other text"]
    assert outcome(first, near, other_query, other_text) == (everything, {"near": "pair: near-duplicate"})
    assert outcome(first, near, near_duplicate=None)[0] == ["first", "near"]
    assert outcome(first, near, near_duplicate=1.0)[0] == ["first", "near"]


def test_positives_of_one_example_may_be_alike():
    example = asked("which way does the Nile flow", ANSWER * 3, ANSWER * 3 + " Yes.")
    assert len(QualityFilter().run(examples=[example])["examples"][0].positives) == 2


def test_a_rejected_example_does_not_count_as_an_earlier_one():
    broken = asked("which way\x07 does the Nile flow", ANSWER, name="broken")
    fit = asked("which way does the Nile flow", ANSWER, name="fit")
    assert outcome(broken, fit) == (["fit"], {"broken": "query: control characters"})
    # The two are the same pair: with both fit, the second is left out.
    assert outcome(broken, fit, control_characters=False) == (["broken"], {"fit": "pair: duplicate"})


# Languages


@pytest.mark.parametrize(
    ("language", "query", "positive", "reason"),
    [
        ("en", "which way does the Nile flow", ANSWER, ""),
        ("en", "한강은 어디로 흐르나", ANSWER, "query: wrong script"),
        ("ko", "한강은 어디로 흐르나", ANSWER, "positive: wrong script"),
        ("ko", "iPhone 15 Pro 가격은 얼마인가요", "iPhone 15 Pro 가격은 백오십만 원이다.", ""),
        ("ja", "ナイル川はどこへ流れますか", "ナイル川は北へ流れ、地中海に注ぐ川である。", ""),
        ("zh", "ナイル川はどこへ流れますか", "ナイル川は北へ流れ、地中海に注ぐ川である。", "query: wrong script"),
        ("sr", "куда тече Дунав", "Dunav teče na istok, u Crno more.", ""),
        ("", "한강은 어디로 흐르나", ANSWER, ""),
        ("xx", "한강은 어디로 흐르나", ANSWER, ""),
        ("en-GB", "한강은 어디로 흐르나", ANSWER, "query: wrong script"),
        ("ko", "1905 - 1945 + 1950", "1905 - 1945 + 1950 = 1910.0", ""),
    ],
)
def test_the_script_must_be_one_of_the_languages(language, query, positive, reason):
    assert rejected(query, positive, language=language) == reason
    assert rejected(query, positive, language=language, script_share=None) == ""


def test_a_passage_that_says_it_is_in_another_language_is_unfit():
    german = Document(id="g", content="Der Nil fließt nach Norden.", meta={"language": "de"})
    british = Document(id="b", content=ANSWER, meta={"language": "en-GB"})
    example = MiningExample("q", "which way does the Nile flow", (german, british), language="en")
    (after,) = QualityFilter().run(examples=[example])["examples"]
    assert after.meta["removed_positives"] == [{"id": "g", "reason": "positive: wrong language"}]


# Repair


def test_queries_and_positives_are_repaired():
    example = asked("Wie heiÃŸt das Wort?", BROKEN, ANSWER, meta={"repaired": ["before"]})
    (after,) = QualityFilter(mojibake="repair").run(examples=[example])["examples"]
    assert after.query == "Wie heißt das Wort?"
    assert [(one.id, one.content) for one in after.positives] == [("q+0", REPAIRED), ("q+1", ANSWER)]
    assert after.meta["repaired"] == ["before", "query", "q+0"]
    assert example.positives[0].content == BROKEN


def test_what_cannot_be_repaired_is_removed():
    assert rejected("what is a \ufffd \ufffd sign", ANSWER, mojibake="repair") == "query: mojibake"


def test_repaired_texts_are_compared_with_others():
    first, second = asked("das ist die Frage", REPAIRED, name="a"), asked("das ist die Frage", BROKEN, name="b")
    assert outcome(first, second, mojibake="repair") == (["a"], {"b": "pair: duplicate"})


# Candidates

TEXTS = {
    "good": "The Amazon flows east, and is the longest.",
    "short": "A river.",
    "long": "river " * 400,
    "bell": "A river carries sand \x07 and mud to the sea.",
    "broken": BROKEN,
    "copy": "the amazon flows east and is the longest",
    "korean": "한강은 서울을 지나 서해로 흐른다.",
    "answer": ANSWER.lower(),
    "good too": "Honey bees dance to tell each other where flowers are.",
}
EXPECTED = {
    "good": "",
    "short": "negative: too short",
    "long": "negative: too long",
    "bell": "negative: control characters",
    "broken": "negative: mojibake",
    "copy": "negative: duplicate",
    "korean": "negative: wrong script",
    "answer": "negative: equal to a positive",
    "good too": "",
}


def test_each_fault_of_a_candidate_has_a_reason():
    example = asked("which way does the Nile flow", ANSWER, language="en")
    (mined,) = found([example], corpus_of(TEXTS), [list(TEXTS)])
    (after,) = QualityFilter().run(examples=[mined])["examples"]
    assert reasons(after) == EXPECTED
    own = own_candidates([Document(id=name, content=text) for name, text in TEXTS.items()])
    generated = asked("which way does the Nile flow", ANSWER, language="en", candidates=own)
    (after,) = QualityFilter(mojibake="repair").run(examples=[generated])["examples"]
    assert reasons(after) == EXPECTED


def test_rules_on_candidates_work_by_shard_and_can_be_turned_off():
    example = asked("which way does the Nile flow", ANSWER, language="en")
    (mined,) = found([example], corpus_of(TEXTS), [list(TEXTS)])
    by_shard = QualityFilter(duplicates=False, near_duplicate=None)
    assert reasons(by_shard.run(examples=[mined])["examples"][0]) == EXPECTED
    assert by_shard.needs_all_examples is False
    without = QualityFilter(duplicate_candidates=False, equal_to_positive=False)
    (after,) = without.run(examples=[mined])["examples"]
    assert reasons(after) == {**EXPECTED, "copy": "", "answer": ""}


def test_candidates_are_judged_by_their_own_examples_language_and_positives():
    corpus = corpus_of({name: TEXTS[name] for name in ("good", "korean", "answer")})
    english = asked("which way does the Nile flow", ANSWER, language="en", name="e")
    korean = asked("한강은 어디로 흐르나", "한강은 서해로 흐른다고 한다.", language="ko", name="k")
    unknown = asked("which way do rivers flow", "To the sea, all of them.", name="u")
    after = QualityFilter().run(examples=found([english, korean, unknown], corpus, [["good", "korean", "answer"]] * 3))
    assert [kept(one) for one in after["examples"]] == [["good"], ["korean"], ["good", "korean", "answer"]]


def test_the_language_of_a_corpus_passage_counts():
    with staging_folder("corpus") as folder:
        with CorpusWriter(folder) as writer:
            writer.add("d", "Der Nil fließt nach Norden.", "", "de")
            writer.add("e", "The Amazon flows east, to the sea.", "", "en")
            writer.add("u", "Some other river flows south.", "", "")
        corpus = publish_corpus(folder, writer.key)
    mined = found([asked("which way does the Nile flow", ANSWER, language="en")], corpus, [["d", "e", "u"]])
    (after,) = QualityFilter().run(examples=mined)["examples"]
    assert reasons(after) == {"d": "negative: wrong language", "e": "", "u": ""}


def test_candidates_keep_their_columns_when_examples_and_positives_go():
    corpus = corpus_of({"a": TEXTS["good"], "b": TEXTS["good too"], "c": TEXTS["answer"]})
    examples = [
        asked("short", ANSWER, name="out"),
        asked("which way does the Nile flow", "too short", ANSWER, name="in"),
        asked("which way does the Rhine flow", "The Rhine flows north, too.", name="last"),
    ]
    mined = found(examples, corpus, [["a"], ["b", "c"], ["c", "a"]])
    scores = (np.array(numbers, dtype=np.float32) for numbers in ([1, 2, 3, 4, 5], [10, 20, 21, 30]))
    mined = with_table(mined, with_scores(table_of(mined), "m", *scores))
    result = QualityFilter().run(examples=mined)
    assert [one.id for one in result["examples"]] == ["in", "last"]
    assert [one.candidates.positive_scores["m"] for one in result["examples"]] == [[21.0], [30.0]]
    assert [one.scores["m"] for example in result["examples"] for one in example.candidates] == [2.0, 3.0, 4.0, 5.0]
    (out,) = result["rejected"]
    assert (out.candidates.positive_scores["m"], [one.id for one in out.candidates]) == ([10.0], ["a"])


def test_both_outputs_are_stored_and_read_again(tmp_path):
    example = asked("which way does the Nile flow", "too short", ANSWER, language="en")
    (mined,) = found([example], corpus_of(TEXTS), [list(TEXTS)])
    result = QualityFilter().run(examples=[mined, asked("short", ANSWER, name="r")])
    for name, part in [*result.items(), ("nothing", [])]:
        write_parquet(tmp_path / name, part)
        assert read_parquet(tmp_path / name) == part


# Counting

FAULTS: Mapping[str, tuple[str, Sequence[str | None]]] = {
    "query: too short": ("short", [ANSWER]),
    "query: too long": ("long " * 200, [ANSWER]),
    "query: empty": ("...........", [ANSWER]),
    "query: control characters": ("what is\x07 a bell", [ANSWER]),
    "query: mojibake": ("Wie heiÃŸt das Wort?", [ANSWER]),
    "query: wrong script": ("한강은 어디로 흐르나", [ANSWER]),
    "positive: too short": ("which river is too short", ["short"]),
    "positive: too long": ("which river is too long", ["long " * 500]),
    "positive: empty": ("which river is empty", [None]),
    "positive: control characters": ("which river has controls", [ANSWER + "\x07"]),
    "positive: mojibake": ("which river is broken", [BROKEN]),
    "positive: wrong script": ("which river is Korean", ["한강은 서울을 지나 서해로 흐른다."]),
    "pair: duplicate": ("Which way does the Nile flow?", [ANSWER]),
    "pair: near-duplicate": ("which way does the Nile flow, really, on its way to the seas", [ANSWER]),
}


def test_each_planted_fault_is_counted_once_under_its_reason():
    good = [
        asked("which way does the Nile flow", ANSWER, name="good", language="en"),
        asked("which way does the Nile flow, really, on its way to the sea", ANSWER, name="long", language="en"),
    ]
    planted = [asked(query, *texts, name=name, language="en") for name, (query, texts) in FAULTS.items()]
    mined = found([good[0]], corpus_of(TEXTS), [list(TEXTS)])
    result = QualityFilter().run(examples=[*mined, good[1], *planted])
    assert [one.id for one in result["examples"]] == ["good", "long"]
    assert {one.id: one.meta["rejected"] for one in result["rejected"]} == {name: name for name in FAULTS}
    counts = count_removals(result["examples"], result["rejected"])
    assert counts["examples"] == dict.fromkeys(sorted(FAULTS), 1)
    assert counts["positives"] == {name: 1 for name in sorted(FAULTS) if not name.startswith("query")}
    assert counts["candidates"] == {reason: 1 for reason in sorted(EXPECTED.values()) if reason}


def test_nothing_is_counted_where_nothing_was_removed():
    assert count_removals([], []) == {"examples": {}, "positives": {}, "candidates": {}}
