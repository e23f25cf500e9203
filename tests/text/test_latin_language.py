from __future__ import annotations

import json
from importlib import resources

import pytest
import yaml

from hardneg_plugin.text.latin_language import DATA_FILE, other_latin_language

ENGLISH = "The Nile is a river in the north of Africa that flows to the sea, and it was for long known as the longest."
SWAHILI = "Mto wa Nile ni mto mrefu katika bara la Afrika na maji yake ya rangi mbili kwa miaka hutoka katika ziwa."


def test_an_english_text_is_told_from_the_language_it_should_be_in():
    assert other_latin_language(ENGLISH, "sw") == "en"
    assert other_latin_language(ENGLISH, "fi") == "en"
    assert other_latin_language(SWAHILI, "en") == "sw"


def test_a_text_in_its_language_is_left_alone():
    assert other_latin_language(ENGLISH, "en") == ""
    assert other_latin_language(ENGLISH, "en-GB") == ""
    assert other_latin_language(SWAHILI, "sw") == ""


def test_short_texts_and_unlisted_languages_are_not_judged():
    assert other_latin_language("The Nile is in the north of Africa.", "sw") == ""
    assert other_latin_language(ENGLISH, "yo") == ""
    assert other_latin_language(ENGLISH, "ko") == ""
    assert other_latin_language("", "sw") == ""


def test_every_entry_of_the_data_file_is_a_word():
    # YAML reads an unquoted "on" or "no" as a truth value.
    languages = yaml.safe_load(resources.files("hardneg_plugin.text").joinpath(DATA_FILE).read_text("utf-8"))
    assert all(isinstance(word, str) for words in languages.values() for word in words)
    assert all(isinstance(language, str) for language in languages)


@pytest.mark.integration
@pytest.mark.parametrize(("name", "language"), [("tydi/fi", "fi"), ("tydi/sw", "sw"), ("tydi/en", "en")])
def test_passages_of_a_corpus_are_told_apart(shared, name, language):
    with (shared / "data" / name / "corpus.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for _, line in zip(range(1500), lines, strict=False)]
    assert sum(other_latin_language(text, language) != "" for text in texts) / len(texts) < 0.005
    if language == "en":
        long = [text for text in texts if len(text.split()) >= 50]
        for other in ("sw", "fi", "id", "de", "nl", "fr"):
            assert sum(other_latin_language(text, other) == "en" for text in long) / len(long) > 0.98
