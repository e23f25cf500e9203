"""Plant faults in 10,000 rows of each format that others use, audit the file, and count what is found.

Usage: ``python benchmarks/audit_planted.py [--rows 10000]``. The rows are made of invented words in eight languages, so
that nothing but what is planted is wrong with them: a row that is reported and was not planted is a false alarm.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

PER_FAULT = 25
NEGATIVES = 3
# Letters that invented words are made of, question words, and function words by which Latin script is told apart.
LANGUAGES: dict[str, tuple[str, str, str]] = {
    "en": ("bdfgklmnprstvz aeiou", "who when where", "the of and to is was for with by that are from"),
    "de": ("bdfgklmnprstwz aeiou", "wer wann wo", "der die das und ist den von mit dem des ein auf"),
    "es": ("bcdfglmnprstv aeiou", "quién cuándo dónde", "el la que en los del las por una con para es"),
    "ru": ("бвгдзклмнпрстф аеиоу", "кто когда где", "и в на с по для от из за при"),
    "ko": ("가나다라마바사자 고노도로모보소조구누두루", "누구 언제 어디", "그리고 또한 에서 으로 까지"),
    "ar": ("بتجدرسشعفقكلمن اوي", "من متى أين", "في على إلى عن مع بعد"),
    "hi": ("कखगघचजटडतदनपबमरलस ािीुूेो", "कौन कब कहाँ", "और में से को के का"),
    "zh": ("山河湖海城村木石金水火土风云雨雪东南西北 大小高低新旧长短红蓝白黑", "谁 哪 什么", "的 在 是 和 了"),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row."""

    query: str
    positive: str
    negatives: tuple[str, ...]


@dataclass
class Planted:
    """Rows with faults.

    :param rows: The rows.
    :param faults: Name of the check → numbers of the rows it must report, and no other.
    :param test: Queries and positives of a test.
    """

    rows: list[Row]
    faults: dict[str, set[int]] = field(default_factory=dict)
    test: list[tuple[str, str]] = field(default_factory=list)


class Writer:
    """Makes texts of invented words, never the same twice."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311

    def word(self, language: str) -> str:
        """Make a word of two to four syllables."""
        consonants, vowels = LANGUAGES[language][0].split()
        dense = language in ("ko", "zh")
        count = self._random.randint(2, 3) if dense else self._random.randint(3, 4)
        return "".join(self._random.choice(consonants) + self._random.choice(vowels) for _ in range(count))

    def query(self, language: str) -> str:
        """Make a question of six words."""
        asks = self._random.choice(LANGUAGES[language][1].split())
        space = "" if language == "zh" else " "
        return f"{asks}{space}{space.join(self.word(language) for _ in range(5))}{'？' if language == 'zh' else '?'}"

    def passage(self, language: str) -> str:
        """Make three sentences of ten words, half of them function words."""
        functions = LANGUAGES[language][2].split()
        space, stop = ("", "。") if language == "zh" else (" ", "।" if language == "hi" else ".")
        sentences = []
        for _ in range(3):
            words = [w for _ in range(5) for w in (self._random.choice(functions), self.word(language))]
            sentences.append(space.join(words) + stop)
        return space.join(sentences)

    def row(self, language: str, negatives: int) -> Row:
        """Make a sound row."""
        return Row(
            self.query(language), self.passage(language), tuple(self.passage(language) for _ in range(negatives))
        )


def plant(size: int = 10_000, negatives: int = NEGATIVES, seed: int = 0) -> Planted:
    """Make rows and plant every fault in some of its own.

    :param size: Rows in all.
    :param negatives: Negatives of a row.
    :param seed: Seed of the texts and places.
    """
    writer, languages = Writer(seed), list(LANGUAGES)
    rows = [writer.row(languages[number % len(languages)], negatives) for number in range(size)]
    planted = Planted(rows)
    # Faults are planted in the second half; what they copy is in the first.
    positions = iter(random.Random(seed).sample(range(size // 2, size), size // 2))  # noqa: S311
    for name, fault in _FAULTS.items():
        if name == "repeated_negatives" and negatives < 2:
            continue
        planted.faults[name] = set()
        for count in range(PER_FAULT):
            position = next(positions)
            rows[position] = fault(planted, position, writer, count)
            planted.faults[name].add(position + 1)
    return planted


def _with_negative(row: Row, text: str) -> Row:
    return replace(row, negatives=(*row.negatives[:-1], text))


def _language(position: int) -> str:
    return list(LANGUAGES)[position % len(LANGUAGES)]


def _other_language(position: int, count: int) -> str:
    names = list(LANGUAGES)
    return names[(position + 1 + count % (len(names) - 1)) % len(names)]


def _near(text: str) -> str:
    """Change a letter in the middle."""
    half = len(text) // 2
    return text[:half] + text[half + 1 :]


def _duplicate(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    row = planted.rows[position - len(planted.rows) // 2]
    return row if count % 2 else replace(row, query=row.query.upper(), positive=f" {row.positive}!")


def _swap(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    row = planted.rows[position]
    return replace(row, query=row.positive, positive=row.query)


def _query_as_negative(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    row = planted.rows[position]
    return _with_negative(row, row.query if count % 2 else f"“{row.query.upper()}”")


def _positive_as_negative(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    row = planted.rows[position]
    return _with_negative(row, row.positive if count % 2 else f"{row.positive.upper()} ")


def _near_copy(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    return _with_negative(planted.rows[position], _near(planted.rows[position].positive))


def _elsewhere(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    # Same residue modulo eight is the same language.
    other = planted.rows[position - len(planted.rows) // 2]
    return replace(_with_negative(planted.rows[position], other.positive), query=other.query)


def _foreign_negative(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    return _with_negative(planted.rows[position], writer.passage(_other_language(position, count)))


def _foreign_positive(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    # A Latin query of five words does not tell its language: there only another script can be seen.
    other = "ko" if _language(position) != "ko" else "ru"
    return replace(planted.rows[position], positive=writer.passage(other))


def _test_query(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    text = writer.passage(_language(position))[:80]
    planted.test.append((text, writer.passage(_language(position))))
    return replace(planted.rows[position], query=_near(text) if count % 2 else text.upper())


def _test_positive(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    text = writer.passage(_language(position))
    planted.test.append((writer.query(_language(position)), text))
    return replace(planted.rows[position], positive=_near(text) if count % 2 else text)


def _test_negative(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    text = writer.passage(_language(position))
    planted.test.append((writer.query(_language(position)), text))
    return _with_negative(planted.rows[position], text)


def _broken(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    wrong = "Die schöne Brücke über den Fluß führt nach Köln.".encode().decode("cp1252")
    row = writer.row("de", len(planted.rows[position].negatives))
    return replace(row, positive=f"{wrong} {row.positive}")


def _repeated(planted: Planted, position: int, writer: Writer, count: int) -> Row:
    row = planted.rows[position]
    return _with_negative(row, row.negatives[0])


Fault = Callable[[Planted, int, Writer, int], Row]
_FAULTS: dict[str, Fault] = {
    "duplicate_rows": _duplicate,
    "swapped_rows": _swap,
    "query_as_negative": _query_as_negative,
    "positive_as_negative": _positive_as_negative,
    "near_copy_of_positive": _near_copy,
    "positive_elsewhere": _elsewhere,
    "language_of_negatives": _foreign_negative,
    "language_of_positives": _foreign_positive,
    "test_queries_in_training": _test_query,
    "test_positives_in_training": _test_positive,
    "test_positives_as_negatives": _test_negative,
    "broken_texts": _broken,
    "repeated_negatives": _repeated,
}


def _lines(rows: list[Row], shape: Callable[[int, Row], Mapping[str, Any]]) -> Iterator[str]:
    for number, row in enumerate(rows, start=1):
        yield json.dumps(shape(number, row), ensure_ascii=False) + "\n"


FORMATS: dict[str, tuple[int, Callable[[int, Row], Mapping[str, Any]]]] = {
    "triplet": (1, lambda n, row: {"anchor": row.query, "positive": row.positive, "negative": row.negatives[0]}),
    "n-tuple": (
        NEGATIVES,
        lambda n, row: {
            "anchor": row.query,
            "positive": row.positive,
            **{f"negative_{position}": text for position, text in enumerate(row.negatives, start=1)},
        },
    ),
    "labeled-list": (
        NEGATIVES,
        lambda n, row: {
            "anchor": row.query,
            "passages": [row.positive, *row.negatives],
            "labels": [1, *([0] * len(row.negatives))],
        },
    ),
    "flagembedding": (
        NEGATIVES,
        lambda n, row: {"query": row.query, "pos": [row.positive], "neg": list(row.negatives)},
    ),
    "tevatron": (
        NEGATIVES,
        lambda n, row: {
            "query_id": f"q{n}",
            "query": row.query,
            "positive_passages": [{"docid": f"p{n}", "title": "", "text": row.positive}],
            "negative_passages": [
                {"docid": f"n{n}-{position}", "title": "", "text": text} for position, text in enumerate(row.negatives)
            ],
        },
    ),
}
"""Format → negatives of a row, and a row as it is written there."""


def write_rows(path: Path, rows: list[Row], name: str) -> Path:
    """Write rows in a format."""
    path.write_text("".join(_lines(rows, FORMATS[name][1])), "utf-8")
    return path


def write_test(folder: Path, test: list[tuple[str, str]]) -> str:
    """Write the test as a BEIR folder and return its spec."""
    (folder / "qrels").mkdir(parents=True)
    files = {"queries": [query for query, _ in test], "corpus": [passage for _, passage in test]}
    for name, texts in files.items():
        lines = (json.dumps({"_id": f"t{n}", "text": text}, ensure_ascii=False) for n, text in enumerate(texts))
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    judged = "".join(f"t{n}\tt{n}\t1\n" for n in range(len(test)))
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", "utf-8")
    return f"beir:{folder}"


def main() -> None:
    """Read the command line, measure, and print the tables."""
    from hardneg_plugin import audit

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    options = parser.parse_args()
    found: dict[str, list[str]] = {}
    seconds, processor = [], []
    swapped = [replace(row, query=row.positive, positive=row.query) for row in plant(options.rows, NEGATIVES).rows]
    with tempfile.TemporaryDirectory() as temporary:
        for name, (negatives, _) in FORMATS.items():
            planted = plant(options.rows, negatives)
            folder = Path(temporary) / name
            folder.mkdir()
            path = write_rows(folder / "rows.jsonl", planted.rows, name)
            test = write_test(folder / "test", planted.test)
            started, used = time.perf_counter(), time.process_time()
            report = audit(str(path), test=test).report
            seconds.append(f"{time.perf_counter() - started:.1f}")
            processor.append(f"{time.process_time() - used:.1f}")
            for check, rows in planted.faults.items():
                reported = set(report.finding(check).rows)
                cell = f"{len(reported & rows)}/{len(rows)}"
                found.setdefault(check, []).append(cell + (f" +{len(reported - rows)}" if reported - rows else ""))
            whole = audit(str(write_rows(folder / "swapped.jsonl", swapped, name))).report.finding("swapped_columns")
            found.setdefault("swapped_columns", []).append(f"{whole.count}/1")
    names = list(FORMATS)
    print(f"| found / planted | {' | '.join(names)} |\n|---|{'--:|' * len(names)}")
    for check, cells in found.items():
        padded = cells if len(cells) == len(names) else ["–", *cells]
        print(f"| {check} | {' | '.join(padded)} |")
    print(f"| seconds | {' | '.join(seconds)} |\n| seconds of processor time | {' | '.join(processor)} |")


if __name__ == "__main__":
    main()
