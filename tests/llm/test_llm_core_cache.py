"""The file of answers: what it gives back, and what it survives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fake_clients import Echo, question, questions

from hardneg_plugin.errors import CacheError
from hardneg_plugin.llm.ask import ask
from hardneg_plugin.llm.reply_cache import ReplyCache
from hardneg_plugin.llm.request import LLMReply, TokenLogprob
from hardneg_plugin.llm.session import session

WHOLE = LLMReply(
    '{"label": "하드 네거티브"}',
    finish="length",
    prompt_tokens=90,
    completion_tokens=8,
    seconds=0.25,
    logprobs=(TokenLogprob("{", -0.5, {"{": -0.5, "[": -1.0}), TokenLogprob("}", 0.0, {})),
)


@pytest.fixture
def cache(tmp_path):
    opened = ReplyCache(tmp_path / "folder" / "answers.sqlite")
    yield opened
    opened.close()


def test_an_answer_comes_back_whole_in_another_process(cache):
    cache.put("a", WHOLE)
    assert ReplyCache(cache.path).get(["b", "a"]) == {"a": WHOLE}
    assert len(cache) == 1


def test_nothing_is_opened_before_it_is_needed(cache):
    assert not cache.path.parent.exists()


def test_more_answers_than_one_statement_takes_are_found(cache):
    for number in range(1203):
        cache.put(str(number), LLMReply(f"answer {number}"))
    found = cache.get([str(number) for number in range(-1, 1203)])
    assert {key: reply.text for key, reply in found.items()} == {str(n): f"answer {n}" for n in range(1203)}


def test_the_first_answer_to_a_request_stays(cache):
    cache.put("a", LLMReply("first"))
    cache.put("a", LLMReply("second"))
    assert cache.get(["a"])["a"].text == "first"


def test_an_answer_with_half_a_surrogate_pair_is_kept(cache):
    cache.put("a", LLMReply("cut \ud83d"))
    assert ReplyCache(cache.path).get(["a"]) == {"a": LLMReply("cut \ud83d")}


class Mended(Echo):
    """Cuts its first answer to each question off."""

    def _end(self, text, number):
        reply = super()._end(text, number)
        return WHOLE if number == 1 else reply


@pytest.mark.parametrize("bad", [WHOLE, LLMReply("", "stop"), LLMReply("partly", "filtered")])
def test_an_answer_of_no_use_is_asked_for_again_in_a_later_run_only(bad, monkeypatch):
    monkeypatch.setitem(globals(), "WHOLE", bad)
    client, twice = Mended(), [question("a"), question("b"), question("a")]
    with session():
        replies = [answer.reply for answer in ask(client, twice, workers=1, task="test")]
        assert [reply.text for reply in replies] == [bad.text] * 3
        assert [answer.cached for answer in ask(client, twice, workers=1, task="test")] == [True] * 3
    assert client.calls == {"a": 1, "b": 1}
    for _ in range(2):
        with session() as opened:
            replies = [answer.reply for answer in ask(client, twice, workers=1, task="test")]
            assert [reply.text for reply in replies] == ["A", "B", "A"]
            assert len(opened.cache) == 2
    assert client.calls == {"a": 2, "b": 2}


def test_a_program_without_runs_of_its_own_asks_for_a_useless_answer_again():
    client = Mended()
    texts = [next(iter(ask(client, [question("a")], workers=1, task="test"))).reply.text for _ in range(3)]
    assert texts == [WHOLE.text, "A", "A"]


def test_a_damaged_file_is_named(cache):
    cache.path.parent.mkdir()
    cache.path.write_text("this is no database, but it is long enough to be looked at" * 100)
    with pytest.raises(CacheError, match=r"answers\.sqlite cannot be used: file is not a database; move it away"):
        cache.get(["a"])


@pytest.mark.parametrize(
    "damage", ["substr(reply, 1, 12)", "replace(reply, 'good', 'goof')", "CAST(x'7bff7d' AS TEXT)", "'[1]'", "''"]
)
def test_a_damaged_answer_is_asked_for_again(cache, damage, caplog):
    for key in ("a", "b"):
        cache.put(key, LLMReply("good"))
    cache._execute(f"UPDATE replies SET reply = {damage} WHERE key = 'a'", ())
    assert cache.get(["a", "b"]) == {"b": LLMReply("good")}
    assert f"{cache.path}: the answer a is damaged" in caplog.text
    cache.put("a", LLMReply("better"))
    assert cache.get(["a"]) == {"a": LLMReply("better")}


def test_an_answer_under_another_key_is_no_answer(cache):
    cache.put("a", LLMReply("good"))
    cache._execute("UPDATE replies SET key = 'b'", ())
    assert cache.get(["a", "b"]) == {}


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"cannot write the cache folder .*file.*set HARDNEG_CACHE"):
        ReplyCache(tmp_path / "file" / "answers.sqlite").put("a", LLMReply("b"))


TOGETHER = """
import sys
sys.path.insert(0, {here!r})
from fake_clients import Echo, questions
from hardneg_plugin.llm.ask import ask
client = Echo(seconds=0.001)
assert [a.reply.text for a in ask(client, questions(300), workers=4, task="test")][299] == "QUESTION 299"
"""


def test_processes_share_one_file():
    code = TOGETHER.format(here=str(Path(__file__).parent))
    running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(process.communicate(timeout=120)[1], process.returncode) for process in running] == [("", 0)] * 3
    client = Echo()
    with session() as opened:
        assert len(list(ask(client, questions(300), workers=4, task="test"))) == 300
        assert len(opened.cache) == 300
    assert client.calls == {}
