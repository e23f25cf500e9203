"""Language models of a few lines, for the layer that asks them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from typing import ClassVar

from hardneg_plugin.llm.request import LLMReply, LLMRequest, Message


class ServerError(Exception):
    """What a client raises for a status of its server."""

    def __init__(self, status_code, text="oops"):
        super().__init__(text)
        self.status_code = status_code


class Echo:
    """Answers with the question in capital letters.

    :param fail: Question and number of the call for it, from 1 → an error to raise, or None.
    :param seconds: How long a call takes.
    """

    identity: ClassVar[dict] = {"model": "echo", "digest": "1"}

    def __init__(self, fail=lambda text, number: None, seconds=0.0):
        self._fail, self._seconds = fail, seconds
        self._lock = threading.Lock()
        self.calls = Counter()
        self.answered = Counter()
        self._now = 0
        self.most_at_once = 0

    def _begin(self, request):
        text = request.messages[-1].content
        with self._lock:
            self.calls[text] += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            return text, self.calls[text]

    def _end(self, text, number):
        with self._lock:
            self._now -= 1
        error = self._fail(text, number)
        if error is not None:
            raise error
        with self._lock:
            self.answered[text] += 1
        return LLMReply(text.upper(), finish="stop", prompt_tokens=10, completion_tokens=2)

    def send(self, request):
        text, number = self._begin(request)
        time.sleep(self._seconds)
        return self._end(text, number)

    async def send_async(self, request):
        text, number = self._begin(request)
        await asyncio.sleep(self._seconds)
        return self._end(text, number)


def question(text):
    return LLMRequest((Message("system", "be loud"), Message("user", str(text))))


def questions(count):
    return [question(f"question {number}") for number in range(count)]
