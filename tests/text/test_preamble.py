from __future__ import annotations

import json
from importlib import resources

import pytest
import yaml

from hardneg_plugin.text.preamble import DATA_FILE, is_preamble, is_refusal, mentions_task

PREAMBLES = [
    "Here are three HARD NEGATIVE passages that meet the requirements:",
    "Here are three passages. The first one is about rivers.",
    "Sure! The Nile is a river.",
    "Sure, here are three hard negative passages about rivers. The Nile is long.",
    "**Passage unrelated to query**: The art of fine dining requires a balance of flavours.",
    "Passage 1: The Nile flows north.",
    "1. The Nile flows north.",
    "(2) The Nile flows north.",
    "**3.** The Nile flows north.",
    "Below is what you asked for:\n\nThe Nile flows north. It is long.",
    "فيما يلي ثلاث فقرات سلبية عن النيل: النيل نهر طويل.",
    "এখানে তিনটি অনুচ্ছেদ রয়েছে:",
    "Hier sind drei Passagen über den Nil. Der Nil ist lang.",
    "Aquí tienes tres pasajes sobre el Nilo. El Nilo es largo.",
    "Tässä on kolme katkelmaa Niilistä. Niili on pitkä.",
    "Voici trois passages sur le Nil : le Nil est long.",
    "यहाँ तीन अनुच्छेद हैं। नील एक नदी है।",
    "Berikut adalah tiga paragraf tentang Nil. Nil itu panjang.",
    "Ecco tre brani sul Nilo. Il Nilo è lungo.",
    "以下は三つのパッセージです。ナイル川は長い。",
    "다음은 나일강에 관한 세 개의 지문입니다. 나일강은 길다.",
    "Hier zijn drie passages over de Nijl. De Nijl is lang.",
    "Aqui estão três passagens sobre o Nilo. O Nilo é longo.",
    "Вот три отрывка о Ниле. Нил длинный.",
    "Hapa kuna aya tatu kuhusu Nile. Nile ni ndefu.",
    "ఇక్కడ మూడు భాగాలు ఉన్నాయి. నైలు నది పొడవైనది.",
    "ต่อไปนี้คือข้อความสามข้อความเกี่ยวกับแม่น้ำไนล์",
    "Dưới đây là ba đoạn văn về sông Nile. Sông Nile dài.",
    "以下是三个段落。尼罗河很长。",
    "好的！尼罗河很长。",
]
PASSAGES = [
    "Here are some facts about bees: they dance, they sing and they sleep.",
    "Here is the video of claw mechanism animation. It is a four-bar mechanism.",
    "Sure Start was a programme of the government of the United Kingdom.",
    "3.5 million people live in Berlin.",
    "30. lokakuuta 2012 Disney ilmoitti ostaneensa Lucasfilmin.",
    "1861: War breaks out.",
    "Passages of the Koran are read on Fridays.",
    "Sie sagte: Der Nil ist lang.",
    "以下の理由で川は長い。",
    "다음은 봄이다.",
    "The law reads as follows. It has three parts:",
    "",
]


@pytest.mark.parametrize("text", PREAMBLES)
def test_an_answer_to_the_user_is_a_preamble(text):
    assert is_preamble(text)


@pytest.mark.parametrize("text", PASSAGES)
def test_a_passage_is_no_preamble(text):
    assert not is_preamble(text)


@pytest.mark.parametrize(
    "text",
    [
        "I can't provide content that promotes illegal activities.",
        "I'm sorry, but I can't.",
        "As an AI language model, I have no opinion.",
        "Es tut mir leid, das geht nicht.",
        "申し訳ありませんが、できません。",
        "죄송하지만 도와드릴 수 없습니다.",
        "Извините, это невозможно.",
    ],
)
def test_a_refusal_is_told(text):
    assert is_refusal(text)


def test_a_passage_in_the_first_person_is_no_refusal():
    assert not is_refusal("I can't believe how long the Nile is.")
    assert not is_refusal("Sorrow is a song by The McCoys.")


def test_a_curly_apostrophe_counts_like_a_straight_one():
    assert is_refusal("I’m sorry, that is not possible.")
    assert is_preamble("Here’s a passage about the Nile.")


@pytest.mark.parametrize(
    "text",
    [
        "The Nile is long. (Note: This passage mentions the Nile, but nothing else.)",
        "While it may seem unrelated to the query, the Nile is long.",
        "나일강은 길다. 이 글은 질의에 답하지 않는다.",
    ],
)
def test_talk_about_the_task_is_told(text):
    assert mentions_task(text)


def test_a_passage_about_databases_does_not_talk_about_the_task():
    assert not mentions_task("The database runs the query and returns rows. Each query has a plan.")


def test_every_language_of_mr_tydi_and_mmarco_has_its_lists():
    lists = yaml.safe_load(resources.files("hardneg_plugin.text").joinpath(DATA_FILE).read_text("utf-8"))
    languages = {
        *("ar", "bn", "de", "en", "es", "fi", "fr", "hi", "id", "it"),
        *("ja", "ko", "nl", "pt", "ru", "sw", "te", "th", "vi", "zh"),
    }
    assert {kind for kind in lists if set(lists[kind]) == languages} == {"announce", "things", "assent", "refuse"}
    assert all(isinstance(phrase, str) for kind in lists.values() for phrases in kind.values() for phrase in phrases)


@pytest.mark.integration
@pytest.mark.parametrize("name", ["msmarco", "tydi/en", "tydi/fi", "tydi/ko", "tydi/sw", "tydi/bn", "mmarco/ko"])
def test_hardly_a_passage_of_a_corpus_is_taken_for_a_preamble(shared, name):
    with (shared / "data" / name / "corpus.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for _, line in zip(range(1500), lines, strict=False)]
    # Lists with a number in front are the most of them, in MS MARCO.
    assert sum(map(is_preamble, texts)) / len(texts) < 0.015
    assert sum(map(is_refusal, texts)) / len(texts) < 0.002
    assert sum(map(mentions_task, texts)) / len(texts) < 0.002


@pytest.mark.integration
def test_every_recorded_preamble_of_the_reference_run_is_found(shared):
    path = shared / "data" / "llm-recorded" / "generated_msmarco.jsonl"
    texts = [json.loads(line)["generated"] for line in path.read_text("utf-8").splitlines()]
    lines = [text for text in texts if text.lower().startswith("here are three hard negative passages")]
    assert len(texts) == 2995
    assert len(lines) == 998
    assert all(map(is_preamble, lines))
