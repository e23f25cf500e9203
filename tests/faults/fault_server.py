"""A server of raw sockets that answers as it is told: any bytes, at any pace, or nothing."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable

DIGEST = "46e0c10c039e019119339687c3c1757cc81b9da49709a3b3924863ba87ca666e"
MODEL = "served"
Send = Callable[[socket.socket, threading.Event], None]
PAGES = {
    "/api/tags": {"models": [{"model": f"{MODEL}:latest", "name": f"{MODEL}:latest", "digest": DIGEST}]},
    "/api/show": {"model_info": {"general.architecture": "llama", "llama.context_length": 8192}},
    "/v1/models": {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "x"}]},
}
FIRST, QUESTION = "first", "question"


def good(api: str, text: str = "fine") -> dict:
    """The answer of a server that works."""
    if api == "ollama":
        message = {"role": "assistant", "content": text}
        counts = {"prompt_eval_count": 9, "eval_count": 3, "total_duration": 5}
        return {"model": MODEL, "message": message, "done": True, "done_reason": "stop", **counts}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], "usage": usage}


def response(body: bytes, status: str = "200 OK", kind: str = "application/json", **headers: str) -> bytes:
    """The bytes of a response."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    )
    return head.encode() + body


def says(value: object, status: str = "200 OK", **headers: str) -> bytes:
    """The bytes of a response in JSON."""
    return response(json.dumps(value).encode(), status, **headers)


def trickle(head: bytes, drop: bytes) -> Send:
    """Send a beginning, and then a few bytes again and again."""

    def send(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head)
        while not over.wait(0.02):
            connection.sendall(drop)

    return send


def flood(connection: socket.socket, over: threading.Event) -> None:
    """Send a body that never ends, as fast as it is taken."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while not over.is_set():
        connection.sendall(b" " * 65536)


def hang(connection: socket.socket, over: threading.Event) -> None:
    """Send nothing until the other side goes away."""
    connection.settimeout(0.1)
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            if not connection.recv(1024):
                return


def reset(connection: socket.socket, over: threading.Event) -> None:
    """Break the connection off."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class FaultServer:
    """The server.

    :param api: ``ollama`` or ``openai``.
    :param fault: Bytes to send, or what sends them.
    :param where: ``first`` for the pages that are asked before any question, ``question`` for these.
    :param times: How often; everything else is answered well.
    """

    def __init__(self, api: str, fault: bytes | Send, where: str = QUESTION, times: int = 10**9) -> None:
        self._api, self._fault, self._where, self._left = api, fault, where, times
        self._over, self._lock = threading.Event(), threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.asked: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}" + ("/v1" if api == "openai" else "")

    def __enter__(self) -> FaultServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._socket.accept()[0]
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            path = self._read(connection)
            if not path:
                return
            where = FIRST if path in PAGES else QUESTION
            with self._lock:
                self.asked[where] += 1
                broken = where == self._where and self._left > 0
                self._left -= broken
            if not broken:
                connection.sendall(says(PAGES.get(path) or good(self._api)))
            elif isinstance(self._fault, bytes):
                connection.sendall(self._fault)
            else:
                self._fault(connection, self._over)

    @staticmethod
    def _read(connection: socket.socket) -> str:
        """Read a request and return its path; empty where the other side went away."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536) or b"\r\n\r\n"
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while len(body) < int(lengths[0] if lengths else 0):
            more = connection.recv(65536)
            if not more:
                break
            body += more
        return head.split(b" ")[1].decode() if head else ""
