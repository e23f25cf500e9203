"""Corpora, examples and candidates small enough to check by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from haystack.dataclasses import Document

from hardneg_plugin.cache import staging_folder
from hardneg_plugin.records import Candidates, Corpus, MiningExample, merge_source, table_of, with_scores, with_table
from hardneg_plugin.records.corpus_writer import CorpusWriter, publish_corpus


def corpus_of(texts: Mapping[str, str]) -> Corpus:
    """Write passages into the cache, in this order."""
    with staging_folder("corpus") as folder:
        with CorpusWriter(folder) as writer:
            for identifier, text in texts.items():
                writer.add(identifier, text, "", "")
        return publish_corpus(folder, writer.key)


def numbered_corpus(size: int) -> Corpus:
    """Write passages p1 … pn."""
    return corpus_of({f"p{number}": f"passage number {number}" for number in range(1, size + 1)})


def found(
    examples: Sequence[MiningExample], corpus: Corpus, ids: Sequence[Sequence[str]], source: str = "bm25"
) -> list[MiningExample]:
    """Give each example what a source found for it, best first; scores fall from 10 by 1."""
    width = max(map(len, ids))
    rows = np.full((len(examples), width), -1, dtype=np.int64)
    for position, wanted in enumerate(ids):
        rows[position, : len(wanted)] = corpus.rows_of(wanted)
    scores = np.broadcast_to(10.0 - np.arange(width, dtype=np.float32), rows.shape)
    return with_table(examples, merge_source(table_of(examples), source, corpus, rows, scores))


def own_candidates(documents: Sequence[Document], corpus: Corpus | None = None) -> Candidates:
    """Candidates that no source ranked and that are in no corpus, as a generator makes them."""
    size = len(documents)
    blank = {name: [""] * size for name in ("label", "judge", "prompt", "dropped")}
    named = {name: {} for name in ("ranks", "source_scores", "scores", "positive_scores")}
    return Candidates.from_dict(
        {
            "corpus": corpus.key if corpus else None,
            "passages": [-1 - number for number in range(size)],
            "own": [document.to_dict(flatten=False) for document in documents],
            "label_score": [None] * size,
            **blank,
            **named,
        }
    )


def drop(example: MiningExample, reasons: Mapping[str, str]) -> MiningExample:
    """Drop candidates by id, each for a reason."""
    table = table_of([example])
    ids = [candidate.id for candidate in example.candidates]
    for identifier, reason in reasons.items():
        table = table.drop(np.array([known == identifier for known in ids]), reason)
    return with_table([example], table)[0]


def reasons(example: MiningExample) -> dict[str, str]:
    """Candidate → why it was dropped, in the order of the candidates."""
    return {candidate.id: candidate.dropped for candidate in example.candidates}


def kept(example: MiningExample) -> list[str]:
    """Ids of the candidates that are kept, in the order of the candidates."""
    return [candidate.id for candidate in example.candidates.kept()]


def with_scores_by_m(examples: Sequence[MiningExample]) -> list[MiningExample]:
    """Give all candidates and positives scores by ``m``: those of the positives are 1, some candidates are above."""
    table = table_of(examples)
    scores = np.linspace(1.2, -1, len(table.passages)).astype(np.float32)
    positives = np.ones(int(table.positive_offsets[-1]), dtype=np.float32)
    return with_table(examples, with_scores(table, "m", scores, positives))
