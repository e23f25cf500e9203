from __future__ import annotations

import time
import tracemalloc
from collections import Counter, defaultdict
from itertools import islice

import pytest

from hardneg_plugin.datasets.sample import SampleSource
from hardneg_plugin.datasets.sample.encyclopedia import Encyclopedia
from hardneg_plugin.datasets.sample.language import LANGUAGES, load_language, spell_out
from hardneg_plugin.datasets.sample.names import NameSpace
from hardneg_plugin.errors import DatasetError, ParameterError

LARGEST = 10_000_000


def entity_of(row_id: str) -> str:
    return "-".join(row_id.split("-")[:3])


def judged(source: SampleSource, split: str) -> dict[str, set[str]]:
    relevant: dict[str, set[str]] = defaultdict(set)
    for qrel in source.qrels(split):
        relevant[qrel.query_id].add(qrel.passage_id)
    return dict(relevant)


@pytest.fixture(scope="module")
def source() -> SampleSource:
    return SampleSource()


@pytest.fixture(scope="module")
def passages(source):
    return list(source.passages())


@pytest.fixture(scope="module")
def queries(source):
    return list(source.queries())


def rows(source):
    return (
        list(source.passages()),
        list(source.queries()),
        [list(source.qrels(split)) for split in source.splits()],
    )


def test_two_instances_yield_the_same_rows_and_iterators_start_again():
    first, second = SampleSource(1500, seed=3), SampleSource(1500, seed=3)
    assert rows(first) == rows(second) == rows(first)
    assert first.identity() == second.identity()


def test_the_first_passage_is_pinned(passages):
    # Changes here change every published number: raise VERSION in source.py with them.
    assert passages[0].id == "en-town-000000-founded-1"
    assert passages[0].text == "Ormawith was established in 1777."


def test_another_seed_gives_other_texts():
    texts = {p.text for p in SampleSource(1000, seed=0).passages()}
    others = {p.text for p in SampleSource(1000, seed=1).passages()}
    assert not texts & others
    assert SampleSource(1000, seed=0).identity() != SampleSource(1000, seed=1).identity()


def test_a_larger_sample_begins_with_the_smaller_one():
    small, large = SampleSource(1000), SampleSource(1400)
    passages = list(small.passages())
    assert passages == list(islice(large.passages(), len(passages)))
    queries = list(small.queries())
    assert queries == list(islice(large.queries(), len(queries)))


@pytest.mark.parametrize("size", [1000, 1001, 1002, 1003, 3600])
def test_up_to_three_passages_are_missing(size):
    assert size - 3 <= sum(1 for _ in SampleSource(size).passages()) <= size


def test_the_largest_sample_starts_at_once_and_holds_nothing():
    SampleSource(1000)  # the tables of the languages are read once
    tracemalloc.start()
    started = time.perf_counter()
    for _ in islice(SampleSource(LARGEST).passages(), 1000):
        pass
    early = tracemalloc.get_traced_memory()[1]
    assert time.perf_counter() - started < 2
    tracemalloc.reset_peak()
    for _ in islice(SampleSource(LARGEST).passages(), 20_000):
        pass
    late = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert late < early + 200_000


def test_no_id_and_no_text_comes_twice():
    ids: set[str] = set()
    texts: set[str] = set()
    count = 0
    for passage in SampleSource(60_000).passages():
        ids.add(passage.id)
        texts.add(passage.text)
        count += 1
    assert len(ids) == len(texts) == count


def test_queries_have_their_own_ids_and_texts(queries):
    assert len({q.id for q in queries}) == len({q.text for q in queries}) == len(queries)


def test_default_size_has_enough_queries(source, queries):
    train, test = judged(source, "train"), judged(source, "test")
    assert len(train) >= 1000
    assert len(test) >= 200
    assert set(train) | set(test) == {q.id for q in queries}


def test_splits_share_no_entity(source):
    train = {entity_of(query_id) for query_id in judged(source, "train-full")}
    test = {entity_of(query_id) for query_id in judged(source, "test")}
    assert train
    assert test
    assert not train & test


def test_train_knows_exactly_one_of_two_to_four_passages(source):
    known, full = judged(source, "train"), judged(source, "train-full")
    assert known.keys() == full.keys()
    assert sum(1 for _ in source.qrels("train")) == len(known)
    for query_id, positives in known.items():
        assert len(positives) == 1
        assert positives < full[query_id]
        assert 2 <= len(full[query_id]) <= 4


def test_the_known_passage_is_not_always_the_first(source):
    positions = Counter(qrel.passage_id.rsplit("-", 1)[1] for qrel in source.qrels("train"))
    assert set(positions) == {"1", "2", "3", "4"}


def test_every_judgement_names_rows_that_exist(source, passages, queries):
    passage_ids, query_ids = {p.id for p in passages}, {q.id for q in queries}
    covered: set[str] = set()
    for split in source.splits():
        for qrel in source.qrels(split):
            assert qrel.query_id in query_ids
            assert qrel.passage_id in passage_ids
            assert qrel.grade == 1
            covered.add(qrel.passage_id)
    assert covered == passage_ids


def test_the_answer_stands_in_every_relevant_passage(source, passages, queries):
    texts = {p.id: p.text for p in passages}
    relevant = judged(source, "train-full") | judged(source, "test")
    for query in queries:
        (answer,) = query.answers
        assert answer
        for passage_id in relevant[query.id]:
            assert answer in texts[passage_id], passage_id


def test_no_template_is_left_unfilled(passages, queries):
    for row in (*passages, *queries):
        assert not set("{}[]|") & set(row.text), row


def test_six_scripts_and_eight_languages(passages, queries):
    assert {p.language for p in passages} == {q.language for q in queries} == set(LANGUAGES)
    assert len(LANGUAGES) == 8
    scripts = {load_language(code).script for code in LANGUAGES}
    assert scripts == {"Latin", "Cyrillic", "Arabic", "Devanagari", "Hangul", "Han"}


@pytest.mark.parametrize(
    ("code", "first", "last"),
    [("ru", "Ѐ", "ӿ"), ("ar", "؀", "ۿ"), ("hi", "ऀ", "ॿ"), ("ko", "가", "힣"), ("zh", "一", "鿿")],
)
def test_passages_are_written_in_their_script(passages, code, first, last):
    for passage in passages:
        if passage.language == code:
            letters = [c for c in passage.text if c.isalpha()]
            # Ship numbers (II) and units (km) are Latin everywhere.
            assert sum(first <= c <= last for c in letters) > 0.8 * len(letters), passage


def test_the_test_split_has_every_language_and_kind(source):
    parts = [query_id.split("-") for query_id in judged(source, "test")]
    assert {code for code, *_ in parts} == set(LANGUAGES)
    assert {kind for _, kind, *_ in parts} == {"town", "river", "scholar", "ship", "mineral"}


def test_most_passages_do_not_begin_with_the_name():
    facts = list(Encyclopedia(0).facts(3600))
    texts = [(fact.slots["name"], t.format_map(fact.slots)) for fact in facts for t in fact.passages]
    beginning = sum(text.startswith(name) for name, text in texts)
    assert 0 < beginning < 0.4 * len(texts)


def test_look_alikes_have_near_identical_names_and_are_mentioned():
    facts = list(Encyclopedia(0).facts(3600))
    families: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for fact in facts:
        code, kind, number = fact.entity.split("-")
        families[(f"{code}-{kind}", int(number) // 3)][fact.entity] = fact.slots["name"]
    whole = [set(members.values()) for members in families.values() if len(members) == 3]
    assert len(whole) > 200
    assert all(len(names) == 3 for names in whole)
    for fact in facts:
        code, kind, number = fact.entity.split("-")
        names = set(families[(f"{code}-{kind}", int(number) // 3)].values())
        assert len(names) < 3 or fact.slots["sib"] in names - {fact.slots["name"]}
    # The names of the first family, as an example of what "near-identical" means.
    assert whole[0] == {"Ormawith", "Ormawist", "Ormawish"}
    assert sum("{sib}" in passage for fact in facts for passage in fact.passages) > 300


def test_some_look_alikes_share_a_value():
    values: dict[tuple[str, int, str], set[str]] = defaultdict(set)
    members: Counter[tuple[str, int, str]] = Counter()
    for fact in Encyclopedia(0).facts(3600):
        code, kind, number, form = fact.id.split("-")
        family = (f"{code}-{kind}", int(number) // 3, form)
        values[family].add(fact.slots["v"])
        members[family] += 1
    whole = [family for family, count in members.items() if count == 3]
    shared = [family for family in whole if len(values[family]) == 1]
    assert 0.05 < len(shared) / len(whole) < 0.3


@pytest.mark.parametrize("code", LANGUAGES)
def test_names_of_a_language_are_never_given_twice(code):
    names = NameSpace(load_language(code), seed=0)
    families = 20_000
    stems = {stem for family in range(families) for stem in names.stems(family)}
    assert len(stems) == families * 3


@pytest.mark.parametrize("code", LANGUAGES)
def test_language_tables_hold_what_the_generator_relies_on(code):
    language = load_language(code)
    # Unique decoding of names, for the largest sample (at most 72,000 families a language).
    for one in language.syllables:
        assert not [other for other in language.syllables if other != one and other.startswith(one)]
    codas = [coda for group in language.codas for coda in group]
    assert len(set(codas)) == len(codas) == 3 * len(language.codas)
    assert NameSpace(language, 0).size > 80_000
    for kind in language.kinds:
        assert all(len(set(patterns)) == 3 for patterns in kind.names)
        for fact in kind.facts:
            assert len(fact.passages) == 4
            assert len(fact.questions) >= 4
            wordings = [wording for paraphrase in fact.passages for wording in paraphrase]
            assert len(set(wordings)) == len(wordings)
            assert all("{name}" in wording and "{v}" in wording for wording in wordings)
            assert all("{name}" in question and "{v}" not in question for question in fact.questions)
        assert all("{v}" not in sentence for sentence in kind.context)


def test_all_languages_have_the_same_kinds_and_facts():
    shapes = {
        tuple((kind.name, tuple(fact.name for fact in kind.facts)) for kind in load_language(code).kinds)
        for code in LANGUAGES
    }
    assert len(shapes) == 1


def test_spell_out_combines_all_variants():
    assert spell_out("[a|b] c [d|e]") == ("a c d", "a c e", "b c d", "b c e")
    assert spell_out("plain {name}") == ("plain {name}",)


@pytest.mark.parametrize("size", [999, 10_000_001, 0, -5, 1000.0, "3600", True, None])
def test_a_wrong_size_is_refused(size):
    with pytest.raises(ParameterError, match="passages must be"):
        SampleSource(size)


@pytest.mark.parametrize("seed", [0.5, "0", None, False])
def test_a_wrong_seed_is_refused(seed):
    with pytest.raises(ParameterError, match="seed must be an integer"):
        SampleSource(1000, seed=seed)


def test_an_unknown_split_is_refused_at_the_call(source):
    with pytest.raises(DatasetError, match=r"no split 'dev'; it has train, train-full, test"):
        source.qrels("dev")


def test_identity_and_place(source):
    assert source.name == "sample"
    assert source.identity() == {"kind": "sample", "version": 1, "passages": 3600, "seed": 0}
    assert source.where("qrels/test") == "sample generator (passages=3600, seed=0), qrels/test"
