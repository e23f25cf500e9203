"""One dataset: a corpus, queries and judgements per split; nothing is read before it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import xxhash

from hardneg_plugin.cache import fingerprint
from hardneg_plugin.datasets.further import with_further
from hardneg_plugin.datasets.importer import id_fault, import_corpus, validate_text
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.rows import Qrel, Query, Source
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.records.corpus import Corpus

MAX_TEXT_CHARS = 100_000
Qrels = dict[str, dict[str, int]]


class RetrievalDataset:
    """Corpus, queries and judgements of one source.

    :param spec: The spec it was loaded by, for messages and manifests.
    :param source: Where the rows come from.
    :param problems: What to do with bad rows; holds their counts.
    :param language: Language of rows that carry none.
    :param max_text_chars: Longer texts are bad rows.
    """

    def __init__(
        self,
        spec: str,
        source: Source,
        problems: RowProblems,
        *,
        language: str = "",
        max_text_chars: int = MAX_TEXT_CHARS,
    ) -> None:
        self.spec, self.name = spec, source.name
        self._source, self._problems = source, problems
        self._language, self._max_text_chars = language, max_text_chars
        self._qrels: dict[str, Qrels] = {}

    def __repr__(self) -> str:
        return f"RetrievalDataset({self.spec!r})"

    def with_corpus(self, corpus: Any) -> RetrievalDataset:
        """Return the dataset with further passages behind its own.

        :param corpus: What holds them: texts, a table, or the path of a file.
        :raises DatasetError: If it is nothing of the kind.
        """
        source = with_further(self._source, corpus, self._problems)
        return RetrievalDataset(
            self.spec, source, self._problems, language=self._language, max_text_chars=self._max_text_chars
        )

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have judgements."""
        return self._source.splits()

    @property
    def left_out(self) -> dict[str, dict[str, int]]:
        """Part → kind of fault → rows left out, of the parts read so far."""
        return self._problems.counts()

    @property
    def left_out_examples(self) -> list[str]:
        """A few of the rows left out, each with its place and fault."""
        return [line for part in sorted(self._problems.examples) for line in self._problems.examples[part]]

    def count_left_out(self, part: str, kind: str, number: int) -> None:
        """Add to :attr:`left_out` what is left out for another reason than a bad row, in place of an earlier count.

        :param part: Part of the dataset, such as a split.
        :param kind: Short name to count under.
        :param number: How many; 0 takes the part off the list.
        """
        self._problems.recall(part, {kind: number} if number else {}, ())

    @cached_property
    def sources(self) -> frozenset[str]:
        """Fingerprints of what it is read from: of each part of a union, and of the whole that a part is cut out of."""
        return frozenset(_leaves(self._source.identity()))

    @cached_property
    def corpus(self) -> Corpus:
        """The passages, in Arrow on disk.

        :raises DatasetError: If a row is bad and bad rows are errors.
        """
        return import_corpus(self._source, self._problems, max_chars=self._max_text_chars, language=self._language)

    @cached_property
    def _queries(self) -> dict[str, Query]:
        self._problems.start("queries")
        queries: dict[str, Query] = {}
        for query in self._source.queries():
            fault = validate_text(query.text, self._max_text_chars) or id_fault(query.id, query.language)
            if query.id in queries:
                fault = "duplicate id", f"the id occurs twice, first in line {queries[query.id].line}"
            if fault is None:
                fault = next(
                    (found for text in query.answers if (found := validate_text(text, self._max_text_chars))), None
                )
            if fault is None:
                known = query.language or not self._language
                queries[query.id] = query if known else query._replace(language=self._language)
            else:
                where = f"{query.file or self._source.where('queries')}:{query.line}"
                self._problems.bad("queries", fault[0], where, f"query {query.id!r}: {fault[1]}")
        return queries

    def queries(self, split: str) -> list[Query]:
        """Return the queries that a split judges, in the order of the source."""
        judged = self.qrels(split)
        return [query for query in self._queries.values() if query.id in judged]

    def qrels(self, split: str) -> Qrels:
        """Return query id → passage id → grade.

        :raises DatasetError: If there is no such split, or a row is bad and bad rows are errors.
        """
        if split not in self._qrels:
            if split not in self.splits:
                msg = f"{self.spec}: no split {split!r}; splits: {', '.join(self.splits)}"
                raise DatasetError(msg)
            self._qrels[split] = self._read_qrels(split)
        return self._qrels[split]

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that passages carry."""
        return self.corpus.languages

    def fingerprint(self, split: str) -> str:
        """Return a hash of the corpus and of a split's queries and judgements."""
        digest = xxhash.xxh3_128()
        digest.update(self.corpus.key.encode())
        qrels = self.qrels(split)
        for query in self.queries(split):
            row = (query.id, query.text, query.language, query.answers, sorted(qrels[query.id].items()))
            digest.update(repr(row).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def _read_qrels(self, split: str) -> Qrels:
        part = f"qrels/{split}"
        self._problems.start(part)
        qrels: Qrels = {}
        for qrel, fault in self._judged(split):
            grades = qrels.setdefault(qrel.query_id, {})
            known = grades.get(qrel.passage_id)
            if fault is None and known not in (None, qrel.grade):
                pair = f"({qrel.query_id!r}, {qrel.passage_id!r})"
                fault = "conflicting grades", f"{pair} has grade {qrel.grade}, an earlier line says {known}"
            if fault is None:
                grades[qrel.passage_id] = qrel.grade
            else:
                self._problems.bad(part, fault[0], f"{qrel.file or self._source.where(part)}:{qrel.line}", fault[1])
        return {query: grades for query, grades in qrels.items() if grades}

    def _judged(self, split: str) -> Iterator[tuple[Qrel, tuple[str, str] | None]]:
        """Yield each judgement with what is wrong with its ids."""
        qrels = list(self._source.qrels(split))
        passages = sorted({qrel.passage_id for qrel in qrels})
        unknown = {passages[location] for location in (self.corpus.rows_of(passages) < 0).nonzero()[0]}
        for qrel in qrels:
            if qrel.query_id not in self._queries:
                yield qrel, ("unknown query", f"query {qrel.query_id!r} is not in {self._source.where('queries')}")
            elif qrel.passage_id in unknown:
                yield qrel, ("unknown passage", f"passage {qrel.passage_id!r} is not in {self._source.where('corpus')}")
            else:
                yield qrel, None


def _leaves(identity: Mapping[str, Any]) -> Iterator[str]:
    if "union" in identity:
        for _, _, part in identity["union"]:
            yield from _leaves(part)
    elif "gold" in identity or "further" in identity:
        yield from _leaves(identity["gold" if "gold" in identity else "further"][0])
    else:
        yield fingerprint(identity)
