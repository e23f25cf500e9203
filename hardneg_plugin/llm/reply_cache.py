"""Raw answers of language models, kept between runs."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from hardneg_plugin.cache import CACHE_VARIABLE
from hardneg_plugin.checksums import sealed, unsealed
from hardneg_plugin.errors import CacheError
from hardneg_plugin.llm.request import LLMReply

_TABLE = "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID"
# Another process may be writing; SQLite then waits instead of failing.
_BUSY_SECONDS = 60.0
# SQLite takes 999 variables in its older builds.
_KEYS_AT_A_TIME = 500

logger = logging.getLogger(__name__)


class ReplyCache:
    """Answers by the key of their request, in one SQLite file; safe for threads and processes.

    An answer is on disk before :meth:`put` returns, so that a killed run never asks the same again. What is kept is
    what the server said: a better parser needs no new call.

    :param path: The file; it is made when it is first needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def get(self, keys: Sequence[str]) -> dict[str, LLMReply]:
        """Return key → answer of those that are known.

        :raises CacheError: If the file is damaged or cannot be read.
        """
        found: dict[str, LLMReply] = {}
        for start in range(0, len(keys), _KEYS_AT_A_TIME):
            some = keys[start : start + _KEYS_AT_A_TIME]
            marks = ",".join("?" * len(some))
            rows = self._execute(f"SELECT key, reply FROM replies WHERE key IN ({marks})", some)  # noqa: S608 - marks only
            found.update((key, kept) for key, reply in rows if (kept := self._read(key, reply)) is not None)
        return found

    def put(self, key: str, reply: LLMReply, *, replace: bool = False) -> None:
        """Keep an answer; one that is there already stays, unless it is to be replaced.

        :param key: Key of the request.
        :param reply: The answer.
        :param replace: Whether it takes the place of one that is there.
        :raises CacheError: If the file is damaged or cannot be written.
        """
        text = json.dumps(sealed({**reply.to_dict(), "key": key}), ensure_ascii=False, separators=(",", ":"))
        # Half a surrogate pair, which UTF-8 cannot hold, becomes its escape, which JSON reads.
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        or_else = "REPLACE" if replace else "IGNORE"
        self._execute(f"INSERT OR {or_else} INTO replies VALUES (?, ?)", (key, text))  # noqa: S608 - of two words

    def __len__(self) -> int:
        return int(self._execute("SELECT COUNT(*) FROM replies", ())[0][0])

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _execute(self, statement: str, values: Sequence[str]) -> list[tuple[str, str]]:
        with self._lock:
            try:
                return self._opened().execute(statement, tuple(values)).fetchall()
            except sqlite3.Error as error:
                msg = (
                    f"the cache of answers {self.path} cannot be used: {error}; move it away if it is damaged, or set "
                    f"{CACHE_VARIABLE} to another folder"
                )
                raise CacheError(msg) from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            if self.path.is_symlink():
                msg = f"{self.path} is a link, and answers are written through none; remove it, or set {CACHE_VARIABLE}"
                raise CacheError(msg)
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                msg = (
                    f"cannot write the cache folder {self.path.parent}: {error}; set {CACHE_VARIABLE} to a writable one"
                )
                raise CacheError(msg) from error
            # One connection behind one lock; every statement is its own transaction.
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            # With the write-ahead log, NORMAL survives a killed process; only a power cut may lose the last answers.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(_TABLE)
            # A byte that is no text any more is a damaged answer, not a damaged file.
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            self._connection = connection
        return self._connection

    def _read(self, key: str, reply: str) -> LLMReply | None:
        """Return an answer as it was kept; one that is damaged is removed, so that it is asked for again."""
        try:
            content = unsealed(json.loads(reply))
            if content.pop("key", key) == key:
                return LLMReply.from_dict(content)
            error: Exception = ValueError("it is the answer to another question")
        except (ValueError, TypeError, KeyError, RecursionError) as fault:
            error = fault
        logger.warning("%s: the answer %s is damaged (%s); it is asked for again", self.path, key, error)
        self._execute("DELETE FROM replies WHERE key = ?", (key,))
        return None
