"""A page on this machine alone, on which a person labels a sample, one pair at a time."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import resources
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from hardneg_plugin.datasets.labels import IRRELEVANT, RELEVANT, UNSURE, read_labels, set_label
from hardneg_plugin.errors import HardnegError

_HOST = "127.0.0.1"
_LARGEST = 65_536
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # Nothing is loaded and nothing runs, whatever a passage says.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class LabelPage:
    """The sample in a file, and the page of its next pair without a label. Works without JavaScript.

    The file is the person's: it is read at every click, and no cell but the label that is given changes.

    :param path: The CSV file.
    :raises DatasetError: If it is no label sample.
    """

    def __init__(self, path: Path) -> None:
        from jinja2 import Environment

        self._path = path
        read_labels(path)
        self._last: tuple[str, str] | None = None
        # Another site in the same browser does not know it, so it cannot answer for the person.
        self.token = secrets.token_urlsafe(32)
        text = resources.files(__package__).joinpath("label_page.html").read_text("utf-8")
        self._template = Environment(autoescape=True).from_string(text)

    def answer(self, query_id: str, passage_id: str, label: str) -> bool:
        """Write a label, or none where it is empty; return whether there is such a pair.

        :raises HardnegError: If the file is no label sample any more, or cannot be written.
        """
        found = set_label(self._path, query_id, passage_id, label)
        if found:
            self._last = (query_id, passage_id) if label else None
        return found

    def html(self) -> str:
        """Return the page.

        :raises HardnegError: If the file is no label sample any more.
        """
        rows = read_labels(self._path)
        open_rows = [row for row in rows if not row.label]
        return self._template.render(
            row=open_rows[0] if open_rows else None,
            last=next((row for row in rows if (row.query_id, row.passage_id) == self._last), None),
            done=len(rows) - len(open_rows),
            total=len(rows),
            token=self.token,
            file=self._path.name,
        )


class _Handler(BaseHTTPRequestHandler):
    timeout = 30

    def __init__(self, page: LabelPage, *arguments: object) -> None:
        self._page = page
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if not self._is_for_us():
            return
        if urlsplit(self.path).path != "/":
            self._end(HTTPStatus.NOT_FOUND)
            return
        try:
            body = self._page.html().encode("utf-8", "replace")
        except HardnegError as error:
            self._say(error)
            return
        self.send_response(HTTPStatus.OK)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        if not self._is_for_us():
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _LARGEST:
            self._end(HTTPStatus.BAD_REQUEST)
            return
        form = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"), keep_blank_values=True)
        given = {name: values[0] for name, values in form.items()}
        if not hmac.compare_digest(given.get("token", "").encode(), self._page.token.encode()):
            self._end(HTTPStatus.FORBIDDEN)
        elif given.get("label") not in (RELEVANT, IRRELEVANT, UNSURE, ""):
            self._end(HTTPStatus.BAD_REQUEST)
        else:
            self._answer(given)

    def _answer(self, given: Mapping[str, str]) -> None:
        try:
            found = self._page.answer(given.get("query_id", ""), given.get("passage_id", ""), given["label"])
        except HardnegError as error:
            self._say(error)
            return
        if not found:
            self._end(HTTPStatus.NOT_FOUND)
        else:
            self.send_response(HTTPStatus.SEE_OTHER)
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _is_for_us(self) -> bool:
        """Refuse a name that some other site made point to this machine (DNS rebinding)."""
        if self.headers.get("Host", "").rpartition(":")[0] in (_HOST, "localhost"):
            return True
        self._end(HTTPStatus.FORBIDDEN)
        return False

    def _say(self, error: HardnegError) -> None:
        """Send what is wrong with the file, so that the person mends it and loads the page anew."""
        body = str(error).encode("utf-8", "replace")
        self.send_response(HTTPStatus.CONFLICT)
        for name, value in {**_HEADERS, "Content-Type": "text/plain; charset=utf-8"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _end(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library names it
        """Say nothing: the terminal shows the address."""


def label_server(path: Path, port: int = 0) -> HTTPServer:
    """Return a server of the page of a label sample, reachable from this machine alone; the caller runs and closes it.

    :param path: The CSV file.
    :param port: Port; 0 takes one that is free.
    :raises DatasetError: If the file is no label sample.
    :raises OSError: If the port is taken.
    """
    return HTTPServer((_HOST, port), partial(_Handler, LabelPage(path)))
