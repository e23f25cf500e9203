"""Texts of candidates by the number that the table knows them by."""

from __future__ import annotations

from hardneg_plugin.records import CandidateTable


def passage_text(table: CandidateTable, passage: int) -> str:
    """Return the text of a corpus row, or of one of the table's own documents (below 0).

    :param table: Table of the candidates.
    :param passage: A value of its ``passages``.
    :returns: The text, title included; empty for an own document without content.
    """
    if passage < 0:
        return table.own[-1 - passage].content or ""
    assert table.corpus is not None
    return table.corpus.text(passage)
