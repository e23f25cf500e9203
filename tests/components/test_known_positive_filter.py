from __future__ import annotations

import pytest
from hand_made import corpus_of, drop, found, own_candidates, reasons
from haystack import Document

from hardneg_plugin import KnownPositiveFilter, MiningExample
from hardneg_plugin.components import known_positive_filter
from hardneg_plugin.mining import normalized_texts as levelled_texts
from hardneg_plugin.records import table_of, with_table

TEXTS = {
    "positive": "The Amazon is the longest river.",
    "copy": "the  AMAZON is the longest river!",
    "near": "The Amazon is the longest rivers.",  # levelled: 32 characters, 1 more than the positive's 31
    "question": "Which is the longest river",
    "other": "A hive holds one queen.",
}


def example(*positives: str, query: str = "which is the longest river?", identifier: str = "q") -> MiningExample:
    documents = tuple(Document(id=name, content=TEXTS[name]) for name in positives)
    return MiningExample(identifier, query, positives=documents)


def filtered(one: MiningExample, **parameters) -> dict[str, str]:
    return reasons(KnownPositiveFilter(**parameters).run(examples=[one])["examples"][0])


def test_every_reason():
    mined = found([example("positive")], corpus_of(TEXTS), [["positive", "copy", "near", "question", "other"]])[0]
    assert filtered(mined) == {
        "positive": "positive: id",
        "copy": "positive: text",
        "near": "positive: near-duplicate",
        "question": "query: text",
        "other": "",
    }


def test_without_near_duplicates_whole_texts_are_still_compared():
    mined = found([example("positive")], corpus_of(TEXTS), [["near", "copy", "positive", "question", "other"]])[0]
    assert filtered(mined, near_duplicate=None) == {
        "near": "",
        "copy": "positive: text",
        "positive": "positive: id",
        "question": "query: text",
        "other": "",
    }


def test_any_of_several_positives_counts():
    texts = {
        "first": "alpha beta gamma delta",
        "second": "one two three four five",
        "second copy": "One, two, three: four - five.",
        "second near": "one two three four fives",
        "neither": "something else entirely",
    }
    documents = tuple(Document(id=name, content=texts[name]) for name in ("first", "second"))
    one = MiningExample("q", "a question", positives=documents)
    mined = found([one], corpus_of(texts), [["neither", "second near", "second copy", "second", "first"]])[0]
    assert filtered(mined) == {
        "neither": "",
        "second near": "positive: near-duplicate",
        "second copy": "positive: text",
        "second": "positive: id",
        "first": "positive: id",
    }


def test_a_positive_of_another_query_stays():
    corpus = corpus_of(TEXTS)
    first, second = example("positive", identifier="a"), example("other", identifier="b", query="who lives in a hive")
    mined = found([first, second], corpus, [["positive", "other"], ["positive", "other"]])
    after = KnownPositiveFilter().run(examples=mined)["examples"]
    assert [reasons(one) for one in after] == [
        {"positive": "positive: id", "other": ""},
        {"positive": "", "other": "positive: id"},
    ]


def test_a_positive_with_the_id_of_the_corpus_and_another_text_is_dropped_by_id():
    stale = MiningExample("q", "a question", positives=(Document(id="other", content="an older version"),))
    mined = found([stale], corpus_of(TEXTS), [["other", "near"]])[0]
    assert filtered(mined) == {"other": "positive: id", "near": ""}


# The similarity is 2 * common / (n + m) where one text is the other with characters left out.
@pytest.mark.parametrize(
    ("positive", "candidate", "similarity"),
    [
        ("abc", "ab", 4 / 5),
        ("ab", "a", 2 / 3),
        ("abcd", "abce", 6 / 8),  # d deleted, e inserted
        ("abcdefghij", "abcdefghi", 18 / 19),
        ("aaaaaaaaaa", "aaaaaa", 12 / 16),
        ("abcdefghijk", "abcdefghi", 18 / 20),
        ("abcdefghijklmnopqrst", "abcdefghijklm", 26 / 33),
    ],
)
def test_the_threshold_itself_counts_and_what_is_above_does_not(positive, candidate, similarity):
    corpus = corpus_of({"c": candidate})
    one = MiningExample("q", "a question", positives=(Document(id="p", content=positive),))
    mined = found([one], corpus, [["c"]])[0]
    assert filtered(mined, near_duplicate=similarity) == {"c": "positive: near-duplicate"}
    assert filtered(mined, near_duplicate=similarity - 0.001) == {"c": "positive: near-duplicate"}
    assert filtered(mined, near_duplicate=similarity + 0.001) == {"c": ""}


@pytest.mark.parametrize("threshold", [0.8, 0.6, 0.55, 0.7, 0.85, 0.95])
def test_a_round_threshold_is_met_exactly(threshold):
    # m of n + m = 200 characters differ in length alone: similarity (200 - (n - m)) / 200 = threshold.
    missing = round(200 * (1 - threshold))
    long, short = "x" * (100 + missing // 2), "x" * (100 - missing // 2)
    one = MiningExample("q", "a question", positives=(Document(id="p", content=long),))
    mined = found([one], corpus_of({"same": short, "shorter": short[:-1]}), [["same", "shorter"]])[0]
    assert filtered(mined, near_duplicate=threshold) == {"same": "positive: near-duplicate", "shorter": ""}


def test_texts_are_levelled_before_they_are_compared():
    texts = {
        "wide": "ＡＢＣ １２３ xyz",
        "decomposed": "cafe\u0301 au lait du matin",
        "korean": "한강은, 서울을 지나 흐른다",
    }
    contents = ("abc 123 XYZ!", "Café au lait du matin", "한강은 서울을 지나 흐른다.")
    positives = tuple(Document(id=f"p{n}", content=text) for n, text in enumerate(contents))
    mined = found([MiningExample("q", "a question", positives=positives)], corpus_of(texts), [list(texts)])[0]
    assert filtered(mined, near_duplicate=None) == dict.fromkeys(texts, "positive: text")


def test_texts_of_nothing_but_punctuation_equal_nothing():
    positives = (Document(id="p", content="..."), Document(id="blank", content=None))
    one = MiningExample("q", "???", positives=positives)
    mined = found([one], corpus_of({"c": "!!!", "d": "- -", "e": "word"}), [["c", "d", "e"]])[0]
    assert filtered(mined) == {"c": "", "d": "", "e": ""}


def test_documents_of_the_example_s_own():
    documents = [
        Document(id="positive", content="another text under the positive's id"),
        Document(id="text", content=TEXTS["copy"]),
        Document(id="near", content=TEXTS["near"]),
        Document(id="question", content="WHICH IS THE LONGEST RIVER"),
        Document(id="without", content=None),
        Document(id="other", content="A river of words."),
    ]
    base = example("positive")
    one = MiningExample("q", base.query, positives=base.positives, candidates=own_candidates(documents))
    assert filtered(one) == {
        "positive": "positive: id",
        "text": "positive: text",
        "near": "positive: near-duplicate",
        "question": "query: text",
        "without": "",
        "other": "",
    }


def test_own_documents_and_passages_of_the_corpus_together():
    corpus = corpus_of(TEXTS)
    base = example("positive")
    generated = own_candidates([Document(id="g1", content=TEXTS["copy"]), Document(id="g2", content="made up")])
    one = MiningExample("q", base.query, positives=base.positives, candidates=generated)
    mined = found([one], corpus, [["other", "positive"]])[0]
    assert filtered(mined) == {"g1": "positive: text", "g2": "", "other": "", "positive": "positive: id"}


def test_a_positive_of_another_text_than_the_corpus_has_is_compared_by_its_own():
    texts = {"positive": "something that was rewritten since", "copy": TEXTS["copy"], "stale": TEXTS["other"]}
    mined = found([example("positive")], corpus_of(texts), [["copy", "stale"]])[0]
    assert filtered(mined) == {"copy": "positive: text", "stale": ""}


def test_a_positive_that_is_not_in_the_corpus_drops_nothing_by_id():
    generated = own_candidates([Document(id="g1", content="made up"), Document(id="g2", content="as well")])
    elsewhere = Document(id="elsewhere", content="a passage of another corpus")
    one = MiningExample("q", "a question", positives=(elsewhere,), candidates=generated)
    mined = found([one], corpus_of(TEXTS), [["other"]])[0]
    assert filtered(mined) == {"g1": "", "g2": "", "other": ""}


def test_what_is_both_positive_and_query_counts_as_positive():
    one = MiningExample("q", "a hive holds", positives=(Document(id="p", content="A hive holds!"),))
    mined = found([one], corpus_of({"c": "A HIVE HOLDS"}), [["c"]])[0]
    assert filtered(mined) == {"c": "positive: text"}


def test_an_earlier_reason_stays():
    mined = found([example("positive")], corpus_of(TEXTS), [["positive", "copy", "near"]])[0]
    before = drop(mined, {"copy": "a judge said so", "positive": "first"})
    assert filtered(before) == {
        "positive": "first",
        "copy": "a judge said so",
        "near": "positive: near-duplicate",
    }


def test_without_positives_only_the_query_is_looked_for():
    mined = found([example()], corpus_of(TEXTS), [["positive", "question"]])[0]
    assert filtered(mined) == {"positive": "", "question": "query: text"}


def test_nothing_but_the_reason_changes():
    mined = found([example("positive")], corpus_of(TEXTS), [["positive", "other"]])[0]
    after = KnownPositiveFilter().run(examples=[mined])["examples"][0]
    assert {**after.candidates.to_dict(), "dropped": ["", ""]} == mined.candidates.to_dict()


def test_blocks_do_not_matter(monkeypatch):
    kinds = {n: chr(96 + n % 13) + "oaeu"[n // 13] * 3 for n in range(1, 31)}
    corpus = corpus_of({f"p{n}": f"passage of kind {kind} and so on" for n, kind in kinds.items()})
    queries = [MiningExample(f"q{n}", f"is it {kinds[n]}", positives=(document(corpus, n),)) for n in range(1, 12)]
    ranked = [[f"p{(n + 3 * step) % 30 + 1}" for step in range(9)] for n in range(11)]
    mined = found(queries, corpus, ranked)
    at_once = KnownPositiveFilter(near_duplicate=0.95).run(examples=mined)["examples"]
    monkeypatch.setattr(known_positive_filter, "PAIRS_AT_ONCE", 2)
    monkeypatch.setattr(levelled_texts, "REMEMBERED_TEXTS", 3)
    in_blocks = KnownPositiveFilter(near_duplicate=0.95).run(examples=mined)["examples"]
    assert [reasons(one) for one in in_blocks] == [reasons(one) for one in at_once]
    # One letter of 31 differs: 2 of 62; where the vowels do too, 8 of 62.
    assert reasons(at_once[0]) == {
        "p1": "positive: id",
        **{f"p{number}": "" for number in (13, 16, 19, 22, 25)},
        **{f"p{number}": "positive: near-duplicate" for number in (4, 7, 10)},
    }


def document(corpus, number: int) -> Document:
    return corpus.document(int(corpus.rows_of([f"p{number}"])[0]))


def test_a_candidate_that_is_dropped_is_not_read(monkeypatch):
    mined = found([example("positive")], corpus_of(TEXTS), [["other", "near"]])[0]
    table = table_of([mined])
    one = with_table([mined], table.drop(table.passages >= 0, "all of them"))[0]
    read, marks = [], levelled_texts.corpus_marks

    def watched(corpus, rows):
        read.extend(corpus.ids(rows))
        return marks(corpus, rows)

    monkeypatch.setattr(levelled_texts, "corpus_marks", watched)
    assert filtered(one) == {"other": "all of them", "near": "all of them"}
    assert read == ["positive"]


def test_a_passage_judged_relevant_below_the_grade_of_a_positive_is_no_negative():
    base = example("positive")
    generated = own_candidates([Document(id="g1", content="made up"), Document(id="other own", content="as well")])
    one = MiningExample(
        "q", base.query, base.positives, generated, meta={"judged_relevant": ["other", "g1", "positive", "nowhere"]}
    )
    unjudged = MiningExample("r", "another question", base.positives)
    mined = found([one, unjudged], corpus_of(TEXTS), [["other", "positive"], ["other", "positive"]])
    first, second = KnownPositiveFilter().run(examples=mined)["examples"]
    assert reasons(first) == {
        "g1": "positive: lower grade",
        "other own": "",
        "other": "positive: lower grade",
        "positive": "positive: id",
    }
    assert reasons(second) == {"other": "", "positive": "positive: id"}
    assert first.meta == one.meta


def test_a_positive_that_was_taken_out_of_the_example_is_no_negative():
    base = example("positive")
    removed = {"removed_positives": [{"id": "other", "reason": "pair: duplicate"}]}
    one = MiningExample("q", base.query, base.positives, meta=removed)
    mined = found([one], corpus_of(TEXTS), [["other", "positive"]])[0]
    assert filtered(mined) == {"other": "positive: removed", "positive": "positive: id"}
