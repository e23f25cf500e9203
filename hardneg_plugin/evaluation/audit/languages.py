"""Detect the language of texts by script and function words, and find texts in another language than their query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import regex

from hardneg_plugin.evaluation.audit.copies import DETAILS, shortened
from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.evaluation.audit.table import AuditTable, Bools, Ints
from hardneg_plugin.text import detect_language
from hardneg_plugin.text.latin_language import other_latin_language
from hardneg_plugin.text.script_check import script_share, scripts_of

LATIN = "Latin script"
"""What a text in Latin script is called whose language its words do not tell."""
NONE = "no letters"
_LETTER = regex.compile(r"\p{L}")
_OWN_LETTER = regex.compile(r"[\p{Hiragana}\p{Katakana}\p{Hangul}]")
# Characters of Han from which a text is no name or title.
_SENTENCE = 20
_LEAST_SHARE = 0.5
_READ_CHARACTERS = 1024
# From this share of positives on, other languages are how the rows are meant to be rather than faults.
_BY_DESIGN = 0.2


def text_language(text: str) -> str:
    """Tell the language of a text.

    :param text: Text in any script; its first 1,024 characters are read.
    :returns: ISO 639-1 code; :data:`LATIN` for Latin script whose language is not clear; :data:`NONE` without letters.
    """
    read = text[:_READ_CHARACTERS]
    by_script = detect_language(read)
    if by_script:
        return by_script
    if not _LETTER.search(read):
        return NONE
    # The function tells what a text is in where it is clearly not in the language given.
    return other_latin_language(read, "en") or other_latin_language(read, "vi") or LATIN


@dataclass(frozen=True)
class Languages:
    """Languages of the texts of some rows.

    :param table: The rows.
    """

    table: AuditTable

    @cached_property
    def of_texts(self) -> tuple[str, ...]:
        """Language of each distinct text."""
        return tuple(text_language(text) for text in self.table.texts.values.to_pylist())

    @cached_property
    def of_rows(self) -> tuple[str, ...]:
        """Language of each row: the file's label, else that of the query's script, else of its first positive's."""
        table = self.table
        languages = []
        for row, label in enumerate(table.languages):
            asked = self.of_texts[table.queries[row]]
            first, last = table.positives.offsets[row : row + 2]
            answered = self.of_texts[table.positives.texts[first]] if last > first else LATIN
            languages.append(label or (answered if asked == LATIN and _is_latin(answered) else asked))
        return tuple(languages)

    def mix(self) -> Mapping[str, Counter[str]]:
        """Return role → language → texts."""
        table = self.table
        roles = {"queries": table.queries, "positives": table.positives.texts, "negatives": table.negatives.texts}
        return {role: Counter(self.of_texts[code] for code in codes.tolist()) for role, codes in roles.items()}

    def others(self, rows: Ints, codes: Ints) -> Bools:
        """Mark the texts that are in another language than their row.

        :param rows: Row of each text.
        :param codes: Code of each text.
        """
        seen: dict[tuple[int, str], bool] = {}
        mask = np.zeros(len(codes), dtype=bool)
        for position, (row, code) in enumerate(zip(rows.tolist(), codes.tolist(), strict=True)):
            key = code, self.of_rows[row]
            if key not in seen:
                seen[key] = self._differs(*key)
            mask[position] = seen[key]
        return mask

    def _differs(self, code: int, wanted: str) -> bool:
        found = self.of_texts[code]
        if NONE in (found, wanted) or found == wanted:
            return False
        if _is_latin(found) and _is_latin(wanted):
            return LATIN not in (found, wanted) and bool(other_latin_language(self.table.texts.one(code), wanted))
        text = self.table.texts.one(code)
        if found == "zh" and wanted in ("ja", "ko"):
            # Both may be written in Han, but not whole sentences.
            return len(text) >= _SENTENCE and not _OWN_LETTER.search(text)
        share = script_share(text, "en" if wanted == LATIN else wanted)
        return share is not None and share < _LEAST_SHARE


def language_findings(languages: Languages) -> Iterator[Finding]:
    """Yield the findings about texts in another language than their query.

    :param languages: Languages of the rows.
    """
    table = languages.table
    labelled = np.flatnonzero([bool(label) for label in table.languages])
    roles = (
        ("queries", "Queries in another language than their row says", labelled, table.queries[labelled]),
        ("positives", "Positives in another language than their query", table.positives.row, table.positives.texts),
        ("negatives", "Negatives in another language than their query", table.negatives.row, table.negatives.texts),
    )
    # Negatives in other languages alone are what a search that knows no words of the language finds: a fault.
    crossing = languages.others(table.positives.row, table.positives.texts)
    by_design = bool(len(crossing)) and float(crossing.mean()) > _BY_DESIGN
    for role, title, rows, codes in roles:
        other = languages.others(rows, codes)
        meaning = (
            "So many positives are that the rows seem to be made across languages on purpose."
            if by_design
            else "Told by script, and in Latin script by function words where a text has 15 words or more."
        )
        details = tuple(
            f"row {table.numbers[row]} ({languages.of_rows[row]}): {languages.of_texts[code]}: "
            f"{shortened(table.texts.one(code))}"
            for row, code in zip(rows[other][:DETAILS].tolist(), codes[other][:DETAILS].tolist(), strict=True)
        )
        yield Finding(
            f"language_of_{role}",
            title,
            meaning,
            "note" if by_design else "warning",
            int(other.sum()),
            len(other),
            role,
            table.numbers_of(rows[other]),
            details,
        )


def _is_latin(language: str) -> bool:
    return language == LATIN or "Latin" in scripts_of(language)
