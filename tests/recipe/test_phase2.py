"""The recipe phase2_quality on a file with one planted fault of each kind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.records import read_parquet
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe

pytestmark = pytest.mark.integration


def row(anchor, positive, language="en", **more):
    return {"anchor": anchor, "positive": positive, "language": language, **more}


SOUND = [
    row("which way does the Nile flow", "The Nile flows north through eleven countries."),
    row("who rules a hive of honey bees", "A hive of honey bees is ruled by one queen that lays all eggs."),
    row("what do glaciers leave behind", "Glaciers leave moraines behind: ridges of stones and gravel."),
    row("how high is the tower of Pisa", "The leaning tower of Pisa is 56 metres high on its higher side."),
    row("한강은 어디로 흐르나", "한강은 서울을 지나 서해로 흐른다. 길이는 494킬로미터이다.", "ko"),
    row("부산은 어떤 도시인가", "부산은 대한민국에서 두 번째로 큰 도시이며 항구가 있다.", "ko"),
]
TWICE = row(
    "why do leaves turn red in autumn, when the days grow short and the nights grow cold in the north",
    "Leaves turn red in autumn because they make anthocyanins while the green chlorophyll breaks down in them.",
)
NEAR = row(TWICE["anchor"].replace("in the north", "in a north"), TWICE["positive"].replace("down in them", "down"))
# What the reader leaves out, with the kind it is counted under.
UNREADABLE = {
    "no text": row("a query whose positive is null", None),
    "empty text": row("a query whose positive is empty", " "),
    "broken JSON": '{"anchor": "a line that ends too ear',
}
# What the stage before mining rejects, with its reason.
REJECTED = {
    "query: empty": row("?!", "A question mark and an exclamation mark make an interrobang."),
    "query: mojibake": row("wo liegt die schÃ¶ne Stadt", "The town lies on a lake between two wooded hills.", "de"),
    "query: control characters": row(
        "what does a bell\u0007 sound like", "A bell sounds bright, and then fades slowly."
    ),
    "query: too short": row("Nile", "The Nile is long, and it has two sources: one white and one blue."),
    "query: too long": row("where " * 100, "Somewhere there is an answer to every question that is too long."),
    "query: wrong script": row("수도는 어디에 있는 도시인가", "The capital lies where two rivers meet in the plain."),
    "positive: empty": row("what is at the end of a sentence", "…"),
    "positive: mojibake": row("where is the beautiful town", "Die schÃ¶ne Stadt ZÃ¼rich liegt an einem groÃŸen See."),
    "positive: control characters": row(
        "what rings before a lesson starts", "What rings is this: \u0007, or so they say."
    ),
    "positive: too short": row("what is the capital of Egypt", "Cairo."),
    "positive: too long": row("what is there to say about tides", "The tide comes in and then goes out. " * 80),
    "positive: wrong language": row("where does the river of Seoul flow", SOUND[4]["positive"]),
    "positive: wrong script": row("what is the capital of Korea", "서울은 대한민국의 수도이며 가장 큰 도시이다."),
    "pair: duplicate": row(TWICE["anchor"].upper() + "?", TWICE["positive"].upper()),
    "pair: near-duplicate": NEAR,
}
# Its line says English, which it is not; and a German one.
OTHER_LANGUAGE = {REJECTED["positive: wrong script"]["positive"], REJECTED["query: mojibake"]["positive"]}
SOUND_AND_TWICE = len(SOUND) + 1
# One positive of two is unfit: the example stays without it.
HALF = row("what do volcanoes throw out", ["Volcanoes throw out lava, ash and gases of many kinds.", "Lava."])
# Its negative has the words of its positive in another case; it is in the corpus, and BM25 finds it.
EQUAL = row(
    "what do bats hear in the dark",
    "Bats hear the echo of their own calls in the dark.",
    negative="BATS hear the echo of their own calls, in the dark!",
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phase2")
    with pytest.MonkeyPatch.context() as patch, Path(os.devnull).open("w") as nowhere:
        patch.setenv("HARDNEG_CACHE", str(folder / "cache"))
        rows = [*SOUND, TWICE, HALF, EQUAL, *UNREADABLE.values(), *REJECTED.values()]
        lines = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in rows]
        file = folder / "pairs.jsonl"
        file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        recipe = load_recipe("phase2_quality", [f"data.dataset=jsonl:{file}"])
        report = run_recipe(recipe, folder / "runs", progress=Progress(Console(file=nowhere)))
        yield report, folder / "runs" / "phase2_quality"


@pytest.fixture(autouse=True)
def cache_folder(ran, monkeypatch) -> Path:
    """The cache of the run in place of one for each test: what it wrote refers to its corpus."""
    folder = ran[1].parents[1] / "cache"
    monkeypatch.setenv("HARDNEG_CACHE", str(folder))
    return folder


@pytest.fixture
def stages(ran):
    """Counts of the five stages in their order."""
    return ran[0].systems[0].stages


def examples_of(ran, name):
    (file,) = (ran[1] / "stages").glob(name)
    return read_parquet(file)


def test_what_cannot_be_read_is_counted_by_part_and_kind(ran):
    assert ran[0].skipped_rows == {f"corpus: {kind}": 1 for kind in UNREADABLE}


def test_each_fault_of_a_pair_is_counted_once_under_its_own_reason(stages):
    assert stages[0].stage == "quality"
    rejected = {f"example: {reason}": 1 for reason in REJECTED}
    assert stages[0].dropped == {**rejected, "removed positive: too short": 1}


def test_exactly_the_planted_examples_are_rejected(ran):
    rejected = examples_of(ran, "quality-*/rejected-00000.parquet")
    assert {one.meta["rejected"]: one.query for one in rejected} == {
        reason: planted["anchor"] for reason, planted in REJECTED.items()
    }
    assert len(rejected) == len(REJECTED)


def test_nothing_else_is_removed_before_mining(ran):
    kept = examples_of(ran, "bm25-*/part-00000.parquet")
    assert [one.query for one in kept] == [one["anchor"] for one in [*SOUND, TWICE, HALF, EQUAL]]
    positives = [[document.content for document in one.positives] for one in kept]
    wanted = [one["positive"] for one in [*SOUND, TWICE]]
    assert positives == [*([text] for text in wanted), [HALF["positive"][0]], [EQUAL["positive"]]]


def test_a_positive_that_leaves_its_example_is_noted_there(ran):
    notes = [one.meta.get("removed_positives") for one in examples_of(ran, "bm25-*/part-00000.parquet")]
    noted = notes.pop(SOUND_AND_TWICE)
    assert [removed["reason"] for removed in noted] == ["positive: too short"]
    assert notes == [None] * len(notes)


def test_negatives_that_repeat_a_positive_are_counted(stages):
    # Each of the nine kept queries finds its positive, and one finds a near-duplicate. The same words in another case
    # are the same text, which takes one place among the candidates.
    assert stages[2].stage == "known_positives"
    assert stages[2].dropped == {"positive: id": 9, "positive: near-duplicate": 1}


def test_the_candidates_left_out_are_those_with_a_planted_text(ran, stages):
    wanted = {
        REJECTED["positive: mojibake"]["positive"]: "negative: mojibake",
        REJECTED["positive: control characters"]["positive"]: "negative: control characters",
        REJECTED["positive: too long"]["positive"]: "negative: too long",
        REJECTED["positive: too short"]["positive"]: "negative: too short",
        REJECTED["positive: empty"]["positive"]: "negative: empty",
        HALF["positive"][1]: "negative: too short",
    }
    seen = set()
    for example in examples_of(ran, "sample-*/part-00000.parquet"):
        for candidate in example.candidates:
            if candidate.dropped.startswith("positive: "):
                continue
            if candidate.dropped in ("negative: wrong language", "negative: wrong script"):
                assert is_korean(candidate.text) is not is_korean(example.query) or candidate.text in OTHER_LANGUAGE
            else:
                reason = candidate.dropped if candidate.dropped.startswith("negative: ") else ""
                assert reason == wanted.get(candidate.text, "")
            seen.add(candidate.dropped)
    assert {"negative: control characters", "negative: too long", ""} <= seen
    # Equal texts are one candidate from the start.
    assert "negative: duplicate" not in seen


def test_the_funnel_adds_up(stages):
    assert [stage.stage for stage in stages] == ["quality", "bm25", "known_positives", "quality", "sample"]
    kept = stages[1].kept
    for stage in stages[2:]:
        kept -= sum(stage.dropped.values())
        assert (stage.candidates, stage.kept) == (stages[1].candidates, kept)


def is_korean(text):
    return any("가" <= letter <= "힣" for letter in text)
