from __future__ import annotations

from collections import Counter

import pytest
from hand_made import numbered_corpus
from haystack import Document
from haystack.document_stores.in_memory import InMemoryDocumentStore

from hardneg_plugin import BM25NegativeMiner, MiningExample, RandomNegativeMiner
from hardneg_plugin.components.corpus_parameter import open_corpus


@pytest.fixture
def ten_store() -> InMemoryDocumentStore:
    store = InMemoryDocumentStore()
    store.write_documents([Document(id=f"p{number}", content=f"passage number {number}") for number in range(10)])
    return store


def ids(example: MiningExample) -> list[str]:
    return [candidate.id for candidate in example.candidates]


# BM25


def test_bm25_ranks_by_shared_words_and_keeps_rank_and_score(spec, examples):
    after = BM25NegativeMiner(spec).run(examples=examples)["examples"]
    first = after[0].candidates
    # "longest river of South America": p1 has four of its words, p3 has "river", the others none.
    assert ids(after[0]) == ["p1", "p3"]
    assert [list(candidate.sources) for candidate in first] == [["bm25"], ["bm25"]]
    assert [candidate.sources["bm25"].rank for candidate in first] == [1, 2]
    scores = [candidate.sources["bm25"].score for candidate in first]
    assert scores[0] > scores[1] > 0
    assert not any(candidate.dropped for candidate in first)


def test_bm25_finds_a_text_of_two_ids_once_by_that_of_the_positive(spec, examples):
    assert ids(BM25NegativeMiner(spec, top_k=2).run(examples=examples)["examples"][1]) == ["p2", "p4"]


def test_bm25_searches_korean_by_its_own_words(spec, examples):
    # 한강은 and 흐르나 share a stem with k1 and k4, the same sentence but for its full stop: one text.
    assert ids(BM25NegativeMiner(spec, top_k=2).run(examples=examples)["examples"][2])[0] == "k1"


def test_bm25_takes_no_more_than_top_k(spec, examples):
    after = BM25NegativeMiner(spec, top_k=1).run(examples=examples)["examples"]
    assert [ids(one) for one in after] == [["p1"], ["p2"], ["k1"]]


def test_bm25_gives_a_query_without_a_known_word_no_candidates(spec):
    example = MiningExample("q", "zzz xyzzy")
    assert ids(BM25NegativeMiner(spec).run(examples=[example])["examples"][0]) == []


def test_bm25_takes_the_language_of_the_query_before_its_own():
    # "what" is left out of English texts as a question word, and is a word like others in a language without a list.
    store = InMemoryDocumentStore()
    store.write_documents([Document(id="d", content="what", meta={"language": "xx"})])

    def finds(query_language: str, language: str) -> bool:
        example = MiningExample("q", "what", language=query_language)
        after = BM25NegativeMiner(store, language=language).run(examples=[example])["examples"][0]
        return len(after.candidates) > 0

    assert finds("xx", "")
    assert finds("xx", "en")
    assert finds("", "xx")
    assert not finds("en", "xx")
    assert not finds("", "en")


def test_bm25_s_parameters_reach_the_formula(spec, examples):
    def best(**parameters) -> float:
        after = BM25NegativeMiner(spec, **parameters).run(examples=examples[1:2])["examples"][0]
        return after.candidates[0].sources["bm25"].score

    # Without saturation (k1 = 0) a word weighs its whole idf. The best passage has 13 terms, less than the mean of 14:
    # with b it is taken for shorter, so its words weigh more.
    assert best(k1=0.0) > best(b=0.75) > best(b=0.0)


def test_a_second_miner_adds_its_rank_to_what_is_there(spec, examples):
    once = BM25NegativeMiner(spec).run(examples=examples[:1])["examples"]
    twice = BM25NegativeMiner(spec, b=0.0, source="flat").run(examples=once)["examples"][0]
    assert ids(twice) == ["p1", "p3"]
    assert [list(candidate.sources) for candidate in twice.candidates] == [["bm25", "flat"]] * 2


# Random


def test_random_draws_distinct_passages_without_a_score(ten_store):
    example = RandomNegativeMiner(ten_store, top_k=4).run(examples=[MiningExample("q", "query")])["examples"][0]
    assert len(set(ids(example))) == 4
    assert [candidate.sources["random"].rank for candidate in example.candidates] == [1, 2, 3, 4]
    assert {candidate.sources["random"].score for candidate in example.candidates} == {None}


def test_random_takes_the_whole_corpus_where_it_is_smaller_than_top_k(ten_store):
    example = RandomNegativeMiner(ten_store, top_k=50).run(examples=[MiningExample("q", "query")])["examples"][0]
    assert sorted(ids(example)) == [f"p{number}" for number in range(10)]


def test_random_depends_on_seed_and_query_alone(ten_store):
    examples = [MiningExample(f"q{number}", "the same text") for number in range(20)]

    def draws(given: list[MiningExample], seed: int) -> dict[str, list[str]]:
        after = RandomNegativeMiner(ten_store, top_k=3, seed=seed).run(examples=given)["examples"]
        return {one.id: ids(one) for one in after}

    at_once = draws(examples, 7)
    assert draws(examples[::-1], 7) == at_once
    assert {name: ranked for one in examples for name, ranked in draws([one], 7).items()} == at_once
    assert len({tuple(ranked) for ranked in at_once.values()}) > 15
    assert sum(draws(examples, 8)[name] != ranked for name, ranked in at_once.items()) > 15


def test_random_is_uniform(ten_store):
    # 3 of 10 for 2,000 queries: 600 expected each, a standard deviation of 20.5; five of these.
    examples = [MiningExample(f"q{number}", "query") for number in range(2000)]
    after = RandomNegativeMiner(ten_store, top_k=3).run(examples=examples)["examples"]
    counts = Counter(identifier for one in after for identifier in ids(one))
    assert len(counts) == 10
    assert all(abs(count - 600) < 103 for count in counts.values()), counts


def test_random_behind_bm25_gives_a_passage_both_sources(spec, examples):
    once = BM25NegativeMiner(spec).run(examples=examples)["examples"]
    both = RandomNegativeMiner(spec, top_k=12).run(examples=once)["examples"][0]
    # Twelve passages, of which p2 and p9, and k1 and k4, are one text.
    assert len(both.candidates) == 10
    assert list(both.candidates[0].sources) == ["bm25", "random"]
    assert ids(both)[:2] == ["p1", "p3"]
    assert {candidate.sources["random"].rank for candidate in both.candidates} == set(range(1, 11))


# The corpus parameter


def test_a_store_s_corpus_is_content_addressed(ten_store):
    first = open_corpus(ten_store)
    assert open_corpus(ten_store).key == first.key
    assert first.key == numbered_key(range(10))
    ten_store.write_documents([Document(id="one more", content="text")])
    assert open_corpus(ten_store).key != first.key


def numbered_key(numbers) -> str:
    store = InMemoryDocumentStore()
    store.write_documents([Document(id=f"p{number}", content=f"passage number {number}") for number in numbers])
    return open_corpus(store).key


def test_a_store_s_documents_keep_their_ids_and_order(ten_store):
    corpus = open_corpus(ten_store)
    assert corpus.ids(range(10)) == [f"p{number}" for number in range(10)]
    assert corpus.text(3) == "passage number 3"
    assert len(numbered_corpus(10)) == len(corpus)
