"""A real HTTP server that speaks Ollama's API, with faults that can be programmed.

Where it mattered to a real server, it behaves as one: what it does with a prompt or an answer that does not fit, which
limits it reads, how it orders keys, and what it leaves out. A difference that is found becomes a line here first.

It runs in this process (``with OllamaServer() as server``) or as one of its own: ``python ollama_server.py``, which
prints its port.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import honest_judge

DIGEST = "46e0c10c039e019119339687c3c1757cc81b9da49709a3b3924863ba87ca666e"
BUSY = "server busy, please try again.  maximum pending requests exceeded"
PROXY_PAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>"
# What a fault answers: status and body.
ERRORS = {
    "500": (500, {"error": "llama runner process has terminated"}),
    "503": (503, {"error": BUSY}),
    "429": (429, {"error": "too many requests"}),
    "404": (404, {"error": "model 'llama3.1:8b' not found"}),
    "400": (400, {"error": "invalid format"}),
    "terminated": (
        500,
        {
            "error": "llama-server process has terminated: exit status 1: ggml_backend_cpu_buffer_type_alloc_buffer: "
            "failed to allocate buffer of size 4831838208: insufficient memory"
        },
    ),
    "overflow": (400, {"error": "the prompt is longer than the context length currently available to the model"}),
}
Brain = Callable[[list[dict[str, str]], dict[str, Any] | None], str]
Fault = Callable[[int, dict[str, Any]], str | None]


class OllamaServer(ThreadingHTTPServer):
    """The server.

    :param brain: Messages and schema → text of the answer.
    :param fault: Number of the call, from 1, and its body → name of a fault, or None: a key of ``ERRORS``, ``slow``,
        ``timeout``, ``cut json``, ``empty``, ``length``, ``wrong ids``, ``html``, ``drop``, ``truncate``,
        ``done false`` (stopped for repeating itself), ``filtered``, ``raw`` (likeliest tokens without the labels).
    :param latency: Seconds an answer takes.
    :param slots: Answers made at a time; further requests wait.
    :param models: Name → digest.
    :param context: Tokens that the models were trained for; a larger ``num_ctx`` is lowered to it without a word.
    :param template: Whether the model has a template of Ollama's own; without one llama.cpp makes the prompt, refuses
        one that is too long, and sorts the keys of a schema.
    :param loading: Calls that find the model still loading.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        brain: Brain = honest_judge.answer,
        fault: Fault = lambda number, body: None,
        latency: float = 0.0,
        slots: int = 64,
        models: dict[str, str] | None = None,
        port: int = 0,
        context: int = 131072,
        template: bool = True,
        loading: int = 0,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.brain, self.fault, self.latency = brain, fault, latency
        self.models = {"llama3.1:8b": DIGEST} if models is None else models
        self.context, self.template, self.loading = context, template, loading
        self.created = 1_750_000_000
        self.slots = threading.Semaphore(slots)
        self.lock = threading.Lock()
        self.bodies: list[dict[str, Any]] = []
        self.answered: Counter[str] = Counter()
        self.now = self.most_at_once = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> OllamaServer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is no error of the server's."""


class _Handler(BaseHTTPRequestHandler):
    server: OllamaServer
    protocol_version = "HTTP/1.1"
    # Without it the second write of a small answer waits for the first one's acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/api/version":
            self._send(200, {"version": "0.13.1"})
        elif self.path == "/api/tags":
            models = [{"name": name, "model": name, "digest": digest} for name, digest in self.server.models.items()]
            self._send(200, {"models": models})
        elif self.path == "/v1/models":
            entry = {"object": "model", "created": self.server.created, "owned_by": "library"}
            self._send(200, {"object": "list", "data": [{"id": name, **entry} for name in self.server.models]})
        else:
            self._send(404, "404 page not found")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/show":
            # Case does not matter to it, as in the names of its registry.
            known = body["model"].lower() in {name.lower() for name in self.server.models}
            made = {"general.architecture": "llama", "llama.context_length": self.server.context}
            self._send(*((200, {"capabilities": ["completion"], "model_info": made}) if known else ERRORS["404"]))
        elif self.path in ("/api/chat", "/v1/chat/completions"):
            self._chat(body)
        else:
            self._send(404, "404 page not found")

    def _chat(self, body: dict[str, Any]) -> None:
        server = self.server
        with server.lock:
            server.bodies.append(body)
            number = len(server.bodies)
            server.now += 1
            server.most_at_once = max(server.most_at_once, server.now)
        try:
            with server.slots:
                write = self._made(server.fault(number, body), body)
        finally:
            # Before it is written: who has the answer may ask again at once.
            with server.lock:
                server.now -= 1
        write()

    def _made(self, fault: str | None, body: dict[str, Any]) -> Callable[[], None]:
        """Take the time that an answer takes, and return what writes it."""
        time.sleep(self.server.latency + (0.3 if fault == "slow" else 0.0))
        with self.server.lock:
            loading, self.server.loading = self.server.loading, max(self.server.loading - 1, 0)
        if loading:
            return partial(self._send, *ERRORS["503"])
        if fault in ERRORS:
            return partial(self._send, *ERRORS[fault])
        if (refusal := self._refusal(body)) is not None:
            return partial(self._send, *refusal)
        if fault == "html":
            return partial(self._send, 200, PROXY_PAGE)
        if fault == "drop":
            return self._drop
        if fault == "timeout":
            return self._hang
        if fault == "cut json":
            return partial(self._send, 200, json.dumps(self._answer(fault, body))[:60])
        answer = self._answer(fault, body)
        with self.server.lock:
            self.server.answered[json.dumps(body, sort_keys=True)] += 1
        streamed = body.get("stream", True) and self.path == "/api/chat"
        return partial(self._stream, answer) if streamed else partial(self._send, 200, answer)

    def _hang(self) -> None:
        """Answer nothing; the connection becomes readable when whoever waited has gone."""
        select.select([self.connection], [], [], 30)
        self.close_connection = True

    def _context(self, body: dict[str, Any]) -> int:
        return min(body.get("options", {}).get("num_ctx", 4096), self.server.context)

    def _refusal(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Return what is answered to a prompt that does not fit, where the server does not cut it."""
        read, context = _prompt_tokens(body), self._context(body)
        if self.path.startswith("/v1") or read <= context:
            return None
        if not self.server.template:
            message = (
                f"request ({read} tokens) exceeds the available context size ({context} tokens), try increasing it"
            )
            inner = {"code": 400, "message": message, "type": "exceed_context_size_error", "n_ctx": context}
            return 400, {"error": json.dumps({"error": inner})}
        return None if body.get("truncate", True) else ERRORS["overflow"]

    def _answer(self, fault: str | None, body: dict[str, Any]) -> dict[str, Any]:
        openai = self.path.startswith("/v1")
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema") if openai else body.get("format")
        text = self.server.brain(body["messages"], schema)
        if not self.server.template:
            text = json.dumps(json.loads(text), sort_keys=True)
        if fault == "wrong ids":
            text = text.replace('"id": 1,', '"id": 77,')
        reason = "stop"
        if fault in ("empty", "length", "filtered"):
            kept = {"empty": 0, "length": len(text) // 2, "filtered": 0}[fault]
            text, reason = text[:kept], {"empty": "stop", "length": "length", "filtered": "content_filter"}[fault]
        prompt = _prompt_tokens(body)
        # Its /v1 reads the older name alone.
        limit = body.get("max_tokens") if openai else body["options"].get("num_predict")
        text, reason = _limited(text, reason, limit)
        if openai:
            # As llama.cpp says it.
            timings = {"prompt_ms": self.server.latency * 250, "predicted_ms": self.server.latency * 250}
            return {**_openai(text, reason, prompt, body.get("logprobs")), "timings": timings}
        return self._own(fault, body, text, reason, prompt)

    def _own(self, fault: str | None, body: dict[str, Any], text: str, reason: str, prompt: int) -> dict[str, Any]:
        context = self._context(body)
        # A prompt that is too long loses its middle, and nothing says so.
        read = context // 2 if fault == "truncate" or prompt > context else prompt
        if read + len(text) // 4 > context and body.get("shift", True) is False:
            text, reason = _limited(text, reason, context - read)
        answer = {
            "model": body["model"],
            "created_at": "2026-11-24T00:00:00Z",
            "message": {"role": "assistant", "content": text},
            "done": True,
            "done_reason": reason,
            # The model works half of the time that a call takes; the rest is its queue and its loading.
            "total_duration": int(self.server.latency * 1e9) + 1_000_000,
            "prompt_eval_duration": int(self.server.latency * 1e9 / 4) + 250_000,
            "eval_duration": int(self.server.latency * 1e9 / 4) + 250_000,
            "prompt_eval_count": read,
            "eval_count": len(text) // 4,
        }
        if fault == "done false":
            kept = ("model", "created_at")
            return {name: answer[name] for name in kept} | {
                "message": {"role": "assistant", "content": ""},
                "done": False,
            }
        if body.get("logprobs"):
            answer["logprobs"] = _logprobs(text, raw=fault == "raw")
        return answer

    def _stream(self, answer: dict[str, Any]) -> None:
        first = {**answer, "done": False, "done_reason": None}
        last = {**answer, "message": {"role": "assistant", "content": ""}}
        self._send(200, "".join(json.dumps(part) + "\n" for part in (first, last)))

    def _drop(self) -> None:
        """Promise more than is sent, then hang up."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"message": {"content": "')
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _send(self, status: int, content: dict[str, Any] | str) -> None:
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(content, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _prompt_tokens(body: dict[str, Any]) -> int:
    """A token for each word, and twenty for the template."""
    return sum(len(message["content"].split()) for message in body["messages"]) + 20


def _limited(text: str, reason: str, limit: int | None) -> tuple[str, str]:
    if limit is None or limit < 0 or len(text) // 4 <= limit:
        return text, reason
    return text[: limit * 4], "length"


def _openai(text: str, reason: str, prompt: int, logprobs: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 0,
        "model": "served",
        "choices": [
            {
                "index": 0,
                "finish_reason": reason,
                "message": {"role": "assistant", "content": text},
                "logprobs": {"content": _logprobs(text)} if logprobs else None,
            }
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": len(text) // 4,
            "total_tokens": prompt + len(text) // 4,
        },
    }


def _logprobs(text: str, raw: bool = False) -> list[dict[str, Any]]:
    """One token before the label's value, then its first letters with the likeliest others beside them.

    They are of the distribution before the form is enforced: where the model would rather write something else, the
    other labels are not among them.
    """
    head, quote, rest = text.partition('"label": "')
    if not quote:
        return []
    likely = (("```", -0.1), ("Sure", -3.0)) if raw else (("false", -0.5), ("hard", -1.0), ("easy", -4.0))
    alternatives = [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in likely]
    first = rest.partition("_")[0]
    return [
        {"token": head + quote, "logprob": 0.0, "bytes": None, "top_logprobs": []},
        {"token": first, "logprob": -5.0 if raw else -0.5, "bytes": None, "top_logprobs": alternatives},
    ]


if __name__ == "__main__":
    with OllamaServer(latency=float(sys.argv[1]) if len(sys.argv) > 1 else 0.0, slots=8) as running:
        print(running.url, flush=True)  # noqa: T201
        for line in sys.stdin:
            if line.strip() == "counts":
                counts = running.answered
                print(json.dumps({"answered": counts.total(), "distinct": len(counts)}), flush=True)  # noqa: T201
