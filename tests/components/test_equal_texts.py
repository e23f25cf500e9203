"""Equal queries share their positives; equal texts are one candidate, one rank and one negative."""

from __future__ import annotations

import json

import pytest
from dense_models import static_model
from hand_made import corpus_of, found, own_candidates, reasons
from haystack import Document, component

from hardneg_plugin import (
    AnswerMatchFilter,
    BM25NegativeMiner,
    DenseNegativeMiner,
    KnownPositiveFilter,
    MiningExample,
    RandomNegativeMiner,
    RetrieverNegativeMiner,
    TripletBuilder,
    audit,
    load_dataset,
    mine,
)
from hardneg_plugin.datasets import ExampleShards

RIVERS = {
    "d1": "The Nile is the longest river of Africa",
    "d2": "Africa's longest river is the Nile",
    "d3": "The Congo is a river of Africa",
    "d4": "The Niger is a river in Africa",
}


def rows_of(result) -> list[dict]:
    return result.dataset.to_list()


@pytest.fixture
def beir(make_beir):
    def build(name, corpus, queries, qrels):
        passages, asked = ([{"_id": key, "text": text} for key, text in table] for table in (corpus, queries))
        return f"beir:{make_beir(passages, asked, {'train': qrels}, name)}"

    return build


def pairs(tmp_path, rows, name="pairs.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return f"jsonl:{path}"


# The same query under other ids


@pytest.mark.parametrize(
    "second",
    [
        "longest river of africa",
        "Longest River of Africa?",
        "  longest  river, of africa!",
        "ＬＯＮＧＥＳＴ river of africa",
    ],
)
@pytest.mark.parametrize("model", [None, "static"])
def test_a_positive_of_an_equal_query_is_never_mined(tmp_path, second, model):
    rows = [
        {"query": "longest river of africa", "answer": RIVERS["d1"]},
        {"query": second, "answer": RIVERS["d2"]},
        {"query": "river with a delta in nigeria", "answer": RIVERS["d4"]},
        {"query": "river of the rain forest", "answer": RIVERS["d3"]},
    ]
    given = static_model() if model else None
    mined = rows_of(mine(pairs(tmp_path, rows), given, num_negatives=3))
    wrong = {RIVERS["d1"], RIVERS["d2"]}
    negatives = [row["negative"] for row in mined if row["anchor"] in ("longest river of africa", second)]
    assert negatives
    assert not wrong & set(negatives)


def test_positives_of_an_equal_query_are_known_across_shards_and_draws(tmp_path):
    rows = [{"query": f"river number {n}", "answer": f"River number {n} is long"} for n in range(4)]
    rows += [{"query": "River number 0?", "answer": "The first of the rivers"}]
    data = load_dataset(pairs(tmp_path, rows))
    shards = ExampleShards(data, "train", shard_size=1)
    known = {one.query: list(one.meta.get("same_query", ())) for shard in shards for one in shard}
    texts = dict(zip(data.corpus.ids(range(len(data.corpus))), data.corpus.iter_texts(), strict=True))
    assert {query: [texts[one] for one in ids] for query, ids in known.items() if ids} == {
        "river number 0": ["The first of the rivers"],
        "River number 0?": ["River number 0 is long"],
    }
    mined = BM25NegativeMiner(f"cache:{data.corpus.key}").run(examples=shards[4])["examples"]
    (after,) = KnownPositiveFilter().run(examples=mined)["examples"]
    assert {texts[name]: reason for name, reason in reasons(after).items()}["River number 0 is long"] == (
        "positive: same query"
    )


def test_copies_of_a_positive_of_an_equal_query_are_known_by_text():
    corpus = corpus_of({**RIVERS, "copy": "AFRICA'S longest river is the Nile!", "near": RIVERS["d2"] + "s"})
    first = MiningExample("a", "longest river", positives=(Document(id="d1", content=RIVERS["d1"]),))
    second = MiningExample("b", "Longest river?", positives=(Document(id="d2", content=RIVERS["d2"]),))
    mined = found([first, second], corpus, [["copy", "near", "d2", "d3"], ["d1", "d4"]])
    after = KnownPositiveFilter().run(examples=mined)["examples"]
    assert reasons(after[0]) == {
        "copy": "positive: text",
        "near": "positive: near-duplicate",
        "d2": "positive: same query",
        "d3": "",
    }
    assert reasons(after[1]) == {"d1": "positive: same query", "d4": ""}


def test_a_query_that_differs_in_what_matters_is_another():
    corpus = corpus_of({"plus": "It is warm.", "minus": "It is cold."})
    given = [
        MiningExample("a", "weather at 15 °C", positives=(corpus.document(0),)),
        MiningExample("b", "weather at -15 °C", positives=(corpus.document(1),)),
    ]
    after = KnownPositiveFilter().run(examples=found(given, corpus, [["minus"], ["plus"]]))["examples"]
    assert [reasons(one) for one in after] == [{"minus": ""}, {"plus": ""}]


# The same text under several ids


def test_a_text_is_a_negative_once_and_takes_one_rank(beir):
    corpus = [
        ("p", "The Seine flows through Paris"),
        *[(f"c{n}", text) for n, text in enumerate(["Rouen is on the Seine.", "rouen is on the SEINE"] * 30)],
        ("x", "Le Havre lies where the Seine ends"),
    ]
    spec = beir("copies", corpus, [("q", "which city is on the Seine")], [("q", "p", 1)])
    for model in (None, static_model()):
        (row,) = rows_of(
            mine(spec, model, num_negatives=3, range_max=3, output_format="n-tuple", on_few_negatives="keep")
        )
        negatives = [row[name] for name in row if name.startswith("negative") and row[name]]
        assert len(negatives) == len({text.casefold().rstrip(".") for text in negatives}) == 2


@pytest.mark.parametrize("model", [None, "static"])
def test_copies_of_the_positive_do_not_use_up_the_ranks(beir, model):
    text = "Ibuprofen lowers fever and eases pain."
    corpus = [("n0", "Ibuprofen was found by Boots."), *[(f"c{n}", text) for n in range(60)], ("p", text)]
    corpus += [(f"n{n}", f"Ibuprofen of maker {'abcdefgh'[n] * 4} lowers the price.") for n in range(1, 8)]
    spec = beir("positive", corpus, [("q", "does ibuprofen lower fever and pain")], [("q", "p", 1)])
    result = mine(spec, static_model() if model else None, num_negatives=3, range_max=5)
    assert len(rows_of(result)) == 3
    assert text not in {row["negative"] for row in rows_of(result)}
    # The text is found once, under the id of the positive.
    assert (result.statistics.candidates, result.statistics.dropped["positive: id"]) == (5, 1)


def test_random_and_cluster_candidates_are_distinct_texts():
    corpus = corpus_of({f"p{n}": f"text of kind {n % 4}" for n in range(40)})
    miner = RandomNegativeMiner(f"cache:{corpus.key}", top_k=10)
    (after,) = miner.run(examples=[MiningExample("q", "text")])["examples"]
    assert sorted(candidate.text for candidate in after.candidates) == [f"text of kind {n}" for n in range(4)]


def test_several_sources_find_a_text_in_one_place():
    corpus = corpus_of({"a": "Rome is in Italy", "b": "ROME is in Italy.", "c": "Milan is in Italy"})
    spec = f"cache:{corpus.key}"
    given = [MiningExample("q", "cities in italy such as rome", positives=(corpus.document(1),))]
    mined = BM25NegativeMiner(spec).run(examples=given)["examples"]
    (after,) = DenseNegativeMiner(spec, static_model(), source="dense").run(examples=mined)["examples"]
    assert {one.id: list(one.sources) for one in after.candidates} == {"b": ["bm25", "dense"], "c": ["bm25", "dense"]}


def test_what_a_search_finds_does_not_depend_on_how_much_it_was_asked_for():
    texts = {f"p{n}": f"alpha beta {'gamma ' * (n % 7)}{'delta' if n % 3 else ''}" for n in range(200)}
    corpus = corpus_of(texts)
    spec = f"cache:{corpus.key}"
    given = [MiningExample("q", "alpha beta gamma")]
    for miner in (BM25NegativeMiner, lambda spec, top_k: DenseNegativeMiner(spec, static_model(), top_k=top_k)):
        whole = [one.id for one in miner(spec, top_k=200).run(examples=given)["examples"][0].candidates]
        assert len(whole) == len({" ".join(text.split()) for text in texts.values()})
        for k in (1, 2, 5, 9):
            assert [one.id for one in miner(spec, top_k=k).run(examples=given)["examples"][0].candidates] == whole[:k]


@component
class Copies:
    """Finds a text under many ids before it finds others."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    @component.output_types(documents=list[Document])
    def run(self, query: str, top_k: int = 10) -> dict[str, list[Document]]:
        self.asked.append(top_k)
        texts = [f"copy{'!' * n}" for n in range(9)] + ["one", "two", "three"]
        return {"documents": [Document(id=f"d{n}", content=text) for n, text in enumerate(texts)][:top_k]}


def test_a_retriever_is_asked_for_more_where_copies_take_the_ranks():
    shelf = Copies()
    (after,) = RetrieverNegativeMiner(shelf, top_k=3).run(examples=[MiningExample("q", "query")])["examples"]
    assert [one.text for one in after.candidates] == ["copy", "one", "two"]
    assert shelf.asked == [3, 6, 12]


def test_candidates_of_several_sources_with_one_text_are_one_negative():
    corpus = corpus_of({"a": "Rome is in Italy", "c": "Milan is in Italy"})
    own = own_candidates([Document(id="g", content="rome is in italy!"), Document(id="h", content="Turin")])
    given = [MiningExample("q", "cities", positives=(Document(id="p", content="Bari is one"),), candidates=own)]
    mined = found(given, corpus, [["a", "c"]])
    assert reasons(KnownPositiveFilter().run(examples=mined)["examples"][0]) == {
        "g": "repeated text",
        "h": "",
        "a": "",
        "c": "",
    }
    # Without a filter the rows have the text once as well, and never a positive.
    mined = found(given, corpus_of({"a": "Rome is in Italy", "c": "BARI is one."}), [["a", "c"]])
    for shape in ("triplet", "labeled-pair"):
        rows = TripletBuilder(shape=shape).run(examples=mined)["triplets"].to_list()
        texts = [row.get("negative", row.get("passage")) for row in rows]
        assert sorted(set(texts) - {"Bari is one"}) == ["Rome is in Italy", "Turin"]
        assert len(texts) == len(set(texts))


# Near-copies


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            "Leather cover for Kindle 11, black, with magnetic lid",
            "Leather cover for Kindle 12, black, with magnetic lid",
        ),
        ("The record low of the village is -15 °C in winter", "The record low of the village is 15 °C in winter"),
        ("The pass is open to all cars in winter and spring", "The pass is not open to all cars in winter and spring"),
        (
            "부산은 대한민국의 남쪽에 있는 수도이다 그리고 크다",
            "부산은 대한민국의 남쪽에 있는 수도가 아니다 그리고 크다",
        ),
    ],
)
def test_near_copies_that_differ_in_what_matters_are_negatives(tmp_path, first, second):
    rows = [{"query": "first of the two", "answer": first}, {"query": "second one", "answer": second}]
    shards = ExampleShards(load_dataset(pairs(tmp_path, rows)), "train")[0]
    corpus = corpus_of({"1": first, "2": second})
    examples = [MiningExample(one.id, one.query, positives=one.positives) for one in shards]
    after = KnownPositiveFilter().run(examples=found(examples, corpus, [["2"], ["1"]]))["examples"]
    assert [list(reasons(one).values()) for one in after] == [[""], [""]]


def test_another_answer_in_the_answer_s_place_makes_no_copy_of_a_generated_passage():
    text = "The capital of the province of Liguria in the north of Italy is {} since long ago"
    positives = (Document(id="p", content=text.format("Genoa")),)
    corpus = corpus_of({"typo": text.format("Genua")})
    own = own_candidates([Document(id="swapped", content=text.format("Parma"))])
    given = MiningExample("q", "capital of Liguria", positives=positives, candidates=own, answers=("Genoa",))
    (after,) = KnownPositiveFilter().run(examples=found([given], corpus, [["typo"]]))["examples"]
    assert reasons(after) == {"swapped": "", "typo": "positive: near-duplicate"}


# Answers


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("제주도는 한국에서 가장 큰 섬이다", "제주도"),
        ("Столицей была Москва, а Москву любят", "Москв"),
        ("متحف وبالقاهرة نيل", "القاهرة"),
    ],
)
def test_the_script_tells_the_language_of_an_answer(text, answer):
    corpus = corpus_of({"c": text})
    given = MiningExample("q", "?", answers=(answer,))
    (after,) = AnswerMatchFilter().run(examples=found([given], corpus, [["c"]]))["examples"]
    assert reasons(after) == {"c": "answer: contained"}


@pytest.mark.parametrize("model", [None, "potion-base-4m"])
def test_real_queries_that_repeat_are_mined_without_contradictions(shared, tmp_path, model):
    folder = None if model is None else str(shared / "models" / model)
    rows = mine(f"beir:{shared / 'data' / 'tydi' / 'sw'}", folder, num_negatives=3).dataset
    path = tmp_path / "rows.parquet"
    rows.to_parquet(str(path))
    report = audit(str(path)).report
    names = ("positive_as_negative", "positive_elsewhere", "near_copy_of_positive", "repeated_negatives")
    assert {name: report.finding(name).count for name in names} == dict.fromkeys(names, 0)
