"""Queries and positives in each other's place, in single rows or in the whole file.

What a query looks like is learned from the file itself: a logistic regression over the form of a text (its length,
whether it asks, how it ends, how many sentences) tells queries from positives. A row is reported where its query looks
like a positive and its positive like a query, both clearly; where queries and positives look alike, as in pairs of
duplicate questions, nothing is. The model cannot see that all rows are swapped: that is told by length and question
form alone. Texts that other rows have in the other role are evidence of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import regex
from numpy.typing import NDArray

from hardneg_plugin.evaluation.audit.copies import DETAILS, shortened
from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.evaluation.audit.languages import LATIN, NONE, Languages
from hardneg_plugin.evaluation.audit.table import AuditTable, Bools, Ints, paired
from hardneg_plugin.text.characters import count_cjk_characters
from hardneg_plugin.text.normalise import fold_characters
from hardneg_plugin.text.question_words import list_language, question_words
from hardneg_plugin.text.scripts import WORDS, runs_of

CLEAR = 0.95
"""Probability from which a text clearly looks like one of the other role."""
_MOST_FITTED = 50_000
_LEARNABLE = 0.9
_MOST_SWAPPED = 0.2
_ASKED_IN_FIRST = 12
_ASKS = regex.compile(r"[?？؟⸮;՞]\s*$")
_ENDS = regex.compile(r"[.!。।။።]\s*$")
_SENTENCES = regex.compile(r"[.!?。？！।؟](?=\s|$)|[。！？।]")


def swapped_findings(languages: Languages) -> Iterator[Finding]:
    """Yield whether queries and positives are swapped: in the whole file, and in single rows.

    :param languages: Languages of the rows, whose question words are looked for.
    """
    table = languages.table
    rows = np.flatnonzero(table.positives.counts > 0)
    if not len(rows):
        return
    first = table.positives.texts[table.positives.offsets[rows]]
    codes = np.unique(np.concatenate([table.queries[rows], first]))
    texts = zip(codes.tolist(), table.texts.take(codes), strict=True)
    forms = {code: _form(text, languages.of_texts[code]) for code, text in texts}
    queries, positives = (np.array([forms[code] for code in codes.tolist()]) for codes in (table.queries[rows], first))
    whole = _whole_file(queries, positives)
    yield Finding(
        "swapped_columns",
        "Columns of queries and positives swapped",
        "By length and question form the whole column of queries holds passages and that of positives holds queries.",
        "error",
        int(whole),
        1,
        "files",
    )
    mask = (
        np.zeros(len(rows), dtype=bool) if whole else _looks_swapped(queries, positives) | _known_swapped(table, rows)
    )
    details = tuple(
        f"row {table.numbers[row]}: query {shortened(table.texts.one(table.queries[row]), 60)!r}, "
        f"positive {shortened(table.texts.one(code), 60)!r}"
        for row, code in zip(rows[mask][:DETAILS].tolist(), first[mask][:DETAILS].tolist(), strict=True)
    )
    yield Finding(
        "swapped_rows",
        "Rows whose query and positive are swapped",
        "The query looks like a passage and the positive like a query, or other rows have them in these roles.",
        "error",
        int(mask.sum()),
        len(rows),
        "rows",
        table.numbers_of(rows[mask]),
        details,
    )


def _form(text: str, language: str) -> tuple[float, ...]:
    """Return what a text looks like, whatever it is about: length, question mark, question word, end, sentences."""
    length = len(text) + count_cjk_characters(text)
    sentences = len(_SENTENCES.findall(text[:2000]))
    return (
        float(np.log1p(length)),
        float(_ASKS.search(text) is not None),
        float(_has_question_word(text, language)),
        float(_ENDS.search(text) is not None),
        float(min(sentences, 5)),
    )


def _has_question_word(text: str, language: str) -> bool:
    """Tell whether one of a text's first words asks."""
    known = question_words(list_language("" if language in (LATIN, NONE) else language))
    words = WORDS.findall(fold_characters(text[:200]))[:_ASKED_IN_FIRST]
    runs = ((rule.fold(run), run) for word in words for run, rule in runs_of(word))
    return any(known.pieces(folded) != [folded] for folded, _ in runs)


def _whole_file(queries: NDArray[np.float64], positives: NDArray[np.float64]) -> bool:
    """Tell whether queries are longer than positives in most rows, and positives ask more often than queries."""
    longer = float((queries[:, 0] > positives[:, 0] + np.log(1.5)).mean())
    asks = queries[:, 1:3].max(axis=1).mean(), positives[:, 1:3].max(axis=1).mean()
    many_sentences = float(queries[:, 4].mean()) >= float(positives[:, 4].mean())
    return bool(longer > 0.5 and many_sentences and asks[1] > asks[0])


def _looks_swapped(queries: NDArray[np.float64], positives: NDArray[np.float64]) -> Bools:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    forms = np.concatenate([queries, positives])
    is_query = np.arange(len(forms)) < len(queries)
    fitted = np.random.default_rng(0).permutation(len(forms))[:_MOST_FITTED]
    scaler = StandardScaler().fit(forms[fitted])
    if len(set(is_query[fitted].tolist())) < 2:
        return np.zeros(len(queries), dtype=bool)
    model = LogisticRegression(C=1.0, solver="liblinear", random_state=0)
    model.fit(scaler.transform(forms[fitted]), is_query[fitted])
    probability = model.predict_proba(scaler.transform(forms))[:, 1]
    right = np.where(is_query, probability, 1 - probability)
    if float((right > 0.5).mean()) < _LEARNABLE:
        return np.zeros(len(queries), dtype=bool)
    clear: Bools = (probability[: len(queries)] < 1 - CLEAR) & (probability[len(queries) :] > CLEAR)
    return clear


def _known_swapped(table: AuditTable, rows: Ints) -> Bools:
    """Mark the rows whose query other rows have as a passage, and whose positive other rows have as a query."""
    passages = table.keys_of(np.concatenate([table.positives.texts, table.negatives.texts]))
    owners = np.concatenate([table.positives.row, table.negatives.row])
    queries = table.keys_of(table.queries)
    first = table.keys_of(table.positives.texts[table.positives.offsets[rows]])
    # A query among the passages of its own row is a copy, which another check reports.
    inside = np.isin(paired(rows, queries[rows]), paired(owners, passages))
    mask: Bools = np.isin(queries[rows], passages) & ~inside & np.isin(first, queries) & (first != queries[rows])
    # Where that is common, texts of both kinds are alike, as in pairs of duplicate questions.
    return mask if float(mask.mean()) < _MOST_SWAPPED else np.zeros(len(rows), dtype=bool)
