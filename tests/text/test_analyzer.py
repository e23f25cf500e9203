"""Terms of sentences that can be cut by hand, language by language."""

from __future__ import annotations

import pickle
import string
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.text import Analyzer

SAMPLES = [
    ("en", "What are the Running shoes?", "are the runn runnin shoe shoes"),
    ("fr", "L'École, où est-elle?", "l ecol ecole est elle"),
    ("fi", "Missä alkali\u00adkalkkilasi syntyi?", "alka alkali synt syntyi"),
    ("de", "Wer baute große Straßen?", "baut baute gros grosse stra strass"),
    ("ru", "Когда появился правово́е Ёж?", "появ появил прав правов еж"),
    ("ar", "كَم عدد فوز الأوروغواي بالبطولة؟", "عدد فوز اور اوروغ بطو بطوله"),
    ("bn", "মহাশ্বেতা দেবী", "মহা মহাশ্ দেব দেবী"),
    ("te", "మహారాష్ట్ర", "మహా మహారా"),
    ("hi", "पैंथर्स ने कितने", "पैं पैंथर ने"),
    ("ko", "한니발 계급은 무엇인가요?", "한 한니 한니 니발 계 계급 계급 급은"),
    ("zh", "黑豹队丢了多少分？", "黑 豹 队 丢 了 黑豹 豹队 队丢 丢了 分"),
    ("ja", "東京タワーはここ", "東 京 東京 タワ ワー タワー はこ ここ"),
    ("th", "ประเทศ", "ประ ระเ ะเท เทศ"),
    ("vi", "Việt Nam", "việt nam"),
    ("el", "ο Σωκράτης", "ο σωκρ σωκρατ"),
    ("he", "שָׁלוֹם", "שלו שלום"),
]


@pytest.mark.parametrize(("language", "text", "terms"), SAMPLES, ids=[sample[0] for sample in SAMPLES])
def test_terms_of_a_sentence(language: str, text: str, terms: str) -> None:
    assert Analyzer().tokenize([text], [language]) == [terms.split()]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ""),
        (" \n\t", ""),
        ("?! … —", ""),
        ("_", ""),
        ("1830 and 2,000,000", "1830 and 2 000 000"),
        ("ISBN 9783161484100", "isbn 9783 978316"),
        ("covid19", "covi covid1"),
        ("১৯১১ সালে", "১৯১ ১৯১১ সাল সালে"),
        ("Ｆｕｌｌ　Ｗｉｄｔｈ１", "full widt width1"),
        ("ｶﾞｽ", "ガス"),
        ("NFL国家2024年", "nfl 国 家 国家 2024 年"),
        ("삼성TV", "삼 삼성 삼성 tv"),
        ("snake_case", "snak snake case"),
        ("e\u0301cole", "ecol ecole"),
    ],
)
def test_terms_without_a_language(text: str, terms: str) -> None:
    assert Analyzer().tokenize([text]) == [terms.split()]


def test_vowel_signs_do_not_split_words() -> None:
    (terms,) = Analyzer().tokenize(["কি হি స్త్రీ"])
    assert terms == ["কি", "হি", "స్త", "స్త్రీ"[:5]]


def test_inflected_forms_share_a_term() -> None:
    nominative, inessive = Analyzer().tokenize(["talo", "talossa"], ["fi", "fi"])
    assert (nominative, inessive) == (["talo"], ["talo", "taloss"])


def test_arabic_article_and_conjunction_do_not_separate_forms() -> None:
    forms = Analyzer().tokenize(["كتاب", "الكتاب", "والكتاب", "للكتاب", "وكتاب"])
    assert forms == [["كتا", "كتاب"]] * 5


def test_a_short_arabic_word_keeps_what_looks_like_an_article() -> None:
    assert Analyzer().tokenize(["الم ولد"]) == [["الم", "ولد"]]


def test_question_words_go_with_the_language() -> None:
    texts = ["was kostet what"] * 4
    german, english, unknown, other = Analyzer().tokenize(texts, ["de-AT", "en", "", "sv"])
    assert german == ["kost", "kostet", "what"]
    assert english == unknown == ["was", "kost", "kostet"]
    assert other == ["was", "kost", "kostet", "what"]


def test_the_script_stands_in_for_a_missing_language() -> None:
    analyzer = Analyzer()
    assert analyzer.tokenize(["누구의 책"], [""]) == analyzer.tokenize(["누구의 책"], ["ko"]) == [["의", "책"]]


def test_the_fingerprint_is_the_same_for_all_instances() -> None:
    fingerprint = Analyzer().fingerprint
    assert fingerprint == Analyzer().fingerprint
    assert len(fingerprint) == 16
    assert set(fingerprint) <= set(string.hexdigits)


def test_a_used_analyzer_travels_without_its_memory() -> None:
    analyzer = Analyzer()
    analyzer.tokenize(["many different words"] * 3)
    assert len(pickle.dumps(analyzer)) == len(pickle.dumps(Analyzer()))
    assert pickle.loads(pickle.dumps(analyzer)).tokenize(["Wörter"]) == analyzer.tokenize(["Wörter"])


def test_threads_share_an_analyzer() -> None:
    texts = [sample[1] for sample in SAMPLES] * 50
    shared = Analyzer()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: shared.tokenize(texts), range(8)))
    assert results == [Analyzer().tokenize(texts)] * 8


def test_a_full_memory_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardneg_plugin.text.analyzer._MOST_REMEMBERED", 2)
    assert Analyzer().tokenize(["one two three four one"]) == [["one", "two", "thre", "three", "four", "one"]]


def test_a_single_string_is_refused() -> None:
    with pytest.raises(ParameterError, match="expected a sequence of strings, came one string: 'abc'"):
        Analyzer().tokenize("abc")


def test_a_text_that_is_no_string_is_named_by_its_row() -> None:
    with pytest.raises(ParameterError, match=r"texts\[1\]: expected a string, came NoneType"):
        Analyzer().tokenize(["a", None])


def test_languages_must_be_as_many_as_texts() -> None:
    with pytest.raises(ParameterError, match="expected one for each of the 2 texts, came 1"):
        Analyzer().tokenize(["a", "b"], ["en"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=5), st.sampled_from(["", "en", "ar", "ko", "zh", "th", "xx", "pt-BR"]))
def test_terms_do_not_depend_on_the_batch(texts: list[str], language: str) -> None:
    together = Analyzer().tokenize(texts, [language] * len(texts))
    assert together == [Analyzer().tokenize([text], [language])[0] for text in texts]
    assert all(term and not term.isspace() for terms in together for term in terms)
