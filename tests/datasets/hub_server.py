"""The endpoints of a hub that `snapshot_download` asks, over a folder of repositories."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_INFO = re.compile(r"/api/datasets/(?P<repo>[^/]+/[^/]+)(/revision/(?P<revision>[^/]+))?$")
_TREE = re.compile(r"/api/datasets/(?P<repo>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)(/(?P<path>.*))?$")
_WEB = re.compile(r"/(?P<host>(msmarco|trec)\.[^/]+)/(?P<path>.+)$")
_FILE = re.compile(r"/datasets/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)$")


class HubServer:
    """A server over ``<folder>/<owner>/<name>/<path>``, and ``<folder>/<host>/<path>`` for other hosts.

    It counts the files it sent, and cuts some off once.

    :param folder: The repositories.
    :param cut: Path of a file whose first answer breaks off in the middle.
    """

    def __init__(self, folder: Path, cut: str = "") -> None:
        self.folder, self.cut, self.sent = folder, cut, Counter()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                owner.answer(self, body=False)

            def do_GET(self):
                owner.answer(self, body=True)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = unquote(urlsplit(request.path).path)
        if match := _FILE.match(path):
            self._send_file(request, self.folder / match["repo"] / match["path"], body=body)
        elif match := _WEB.match(path):
            self._send_file(request, self.folder / match["host"] / match["path"], body=body)
        elif match := _TREE.match(path):
            self._send_json(request, self._tree(self.folder / match["repo"]), body=body)
        elif match := _INFO.match(path):
            self._send_json(request, self._info(match["repo"]), body=body)
        else:
            self._send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)

    def _files(self, repo: Path) -> list[Path]:
        return sorted(path for path in repo.rglob("*") if path.is_file())

    def _info(self, repo: str) -> object:
        folder = self.folder / repo
        if not folder.is_dir():
            return None
        files = [{"rfilename": path.relative_to(folder).as_posix()} for path in self._files(folder)]
        return {"id": repo, "sha": COMMIT, "private": False, "siblings": files, "tags": []}

    def _tree(self, folder: Path) -> object:
        return [
            {"type": "file", "path": p.relative_to(folder).as_posix(), "size": p.stat().st_size, "oid": _hash(p)}
            for p in self._files(folder)
        ]

    def _send_json(self, request: BaseHTTPRequestHandler, value: object, *, body: bool) -> None:
        if value is None:
            self._send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)
        else:
            self._send(request, 200, json.dumps(value).encode(), {"Content-Type": "application/json"}, body=body)

    def _send_file(self, request: BaseHTTPRequestHandler, path: Path, *, body: bool) -> None:
        if not path.is_file():
            self._send(request, 404, b"{}", {"X-Error-Code": "EntryNotFound"}, body=body)
            return
        data, start = path.read_bytes(), 0
        headers = {"ETag": f'"{_hash(path)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        status = 200
        if asked and body:
            start, status = int(asked[1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if body:
            self.sent[path.name if start == 0 else f"{path.name} from {start}"] += 1
        if body and self.cut == path.name and self.sent[path.name] == 1:
            request.send_response(200)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(data[: len(data) // 2])
            request.close_connection = True
            return
        self._send(request, status, data[start:], headers, body=body)

    def _send(self, request, status: int, data: bytes, headers: dict[str, str], *, body: bool) -> None:
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            request.send_header(name, value)
        request.end_headers()
        if body:
            request.wfile.write(data)


def _hash(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
