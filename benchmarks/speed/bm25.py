"""BM25 at speed: hardneg against bm25s (numba and numpy), rank_bm25 and tantivy, in one process, alternating.

Usage: ``python benchmarks/speed/bm25.py [--sizes 10000 100000 1000000] [--large] [--out FILE]``; ``HARDNEG_SHARED``
names the folder of the shared data. Prints what it measured and puts it on the page in place of the whole section of
this machine, so a run with other sizes, or without ``--large``, leaves no others there. ``--large`` adds 8,800,000
passages, for which 14 GB should be free. Ratios are medians of ratios within a round, so a machine that
others use as well disturbs them less than the times.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import multiprocessing
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bm25s
import numba
import numpy as np
from limits import bandwidth, seconds
from pages import write_section
from synthetic import Synthetic

from hardneg_plugin.memory import peak_resident
from hardneg_plugin.search.bm25.build import IndexBuilder
from hardneg_plugin.search.bm25.postings import Postings
from hardneg_plugin.text import Analyzer
from hardneg_plugin.text.vocabulary import NumbaVectorizer

K = 100
K1, B = 1.2, 0.75
DATA, INDICES = "data.csc.index.npy", "indices.csc.index.npy"
LARGE = 8_800_000
ROUNDS = 3
KINDS = {"without stop words": False, "with stop words": True}
HEAD = f"""# BM25 at speed

Synthetic passages: MS MARCO's lengths and word frequencies, each word drawn for itself, which gives less to skip than
real text. Top {K}, queries of six words: 10,000 in the first table (50 for the numpy backend), 2,000 at MS MARCO's
size, 200 for tantivy and 5 for rank_bm25. Times numba: medians of the ratios within a round. Scores count as equal
within 1e-5. The two last columns of the search: queries a second if every posting were read from memory, or added up,
and nothing else done (and our share of that; over 100 % where postings are skipped). The index from word ids: ours
written to disk, the median of three builds, bm25s' in memory, one build. The index from texts: ours keeps two prefixes
of each word and is written to disk; bm25s: `tokenize`, then `index`. The read limit of both indexes: what comes in and
the postings, each moved once at the rate of reading from memory. The numpy backend is slower without stop words than
with, which is not understood: do not build on its columns. A section without a column is older than it. Growth: the
exponent of time over size, between the two largest sizes.

The queries are heavier than real ones (143,000 postings a query at a million passages without stop words, where real
MS MARCO queries touch 114,000), which may favour the ratio with stop words.
"""


def alternate(runs: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Time several ways in turn; the first call of each, which may compile, is not counted."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds(run))
    return times


def ratio(times: dict[str, list[float]], ours: str, peer: str) -> float:
    """Return the median over the rounds of how many times as fast ours was."""
    return statistics.median(slow / fast for slow, fast in zip(times[peer], times[ours], strict=True))


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def add_up_cost() -> float:
    """Measure adding up one posting of a term that a fifth of the passages of a block have, in seconds."""

    @numba.njit
    def add_up(acc: Any, rows: Any, data: Any) -> None:
        for position in range(len(rows)):
            acc[np.uint32(rows[position])] += data[position]

    rows = np.sort(np.random.default_rng(0).choice(65_536, 13_000, replace=False)).astype(np.int32)
    acc, data = np.zeros(65_536, np.float32), np.ones(len(rows), np.float32)
    add_up(acc, rows, data)
    return min(seconds(lambda: [add_up(acc, rows, data) for _ in range(200)]) for _ in range(5)) / 200 / len(rows)


def build(folder: Path, corpus: Synthetic, rows: int) -> Path:
    """Index a synthetic corpus from its word ids, batch by batch."""
    folder.mkdir(parents=True)
    builder = IndexBuilder(folder, compiled=True)
    for ids, lengths in corpus.passages(rows):
        builder.add(ids, lengths, corpus.vocabulary)
    builder.finish({str(number): number for number in range(corpus.vocabulary)}, K1, B)
    return folder


def peer_of(folder: Path, backend: str) -> Any:
    """Open the same index with bm25s."""
    index = bm25s.BM25.load(folder, mmap=False, load_vocab=True)
    index.backend = backend
    return index


def search_rows(corpus: Synthetic, kind: str, rows: int, folder: Path, limits: tuple[float, float]) -> list[str]:
    """Compare the search; return one line of the table."""
    queries = [query.tolist() for query in corpus.queries(10_000)]
    few = queries[:50]
    postings = Postings(folder, rows, compiled=True)
    numba_peer, numpy_peer = peer_of(folder, "numba"), peer_of(folder, "numpy")
    threads = os.cpu_count() or 1

    def peer(index: Any, some: list[list[int]], number: int) -> Any:
        return index.retrieve(some, k=K, show_progress=False, n_threads=number)

    times = alternate(
        {"ours": lambda: postings.search(queries, K), "numba": lambda: peer(numba_peer, queries, threads)}
    )
    slow = statistics.median(seconds(lambda: peer(numpy_peer, few, 0)) for _ in range(ROUNDS)) / len(few)
    ours = statistics.median(times["ours"]) / len(queries)
    same = np.allclose(
        np.nan_to_num(postings.search(queries, K).scores), peer(numba_peer, queries, threads)[1], atol=1e-5, rtol=1e-5
    )
    indptr = np.load(folder / "indptr.csc.index.npy")
    touched = statistics.fmean(int((indptr[np.array(query) + 1] - indptr[query]).sum()) for query in queries)
    by_bandwidth = touched * 8 / limits[0]
    by_adding = touched * limits[1] / threads
    return [
        f"{rows:,} {kind}",
        f"{1 / ours:,.0f}",
        f"{len(queries) / statistics.median(times['numba']):,.0f}",
        f"{1 / slow:,.0f}",
        f"**{ratio(times, 'ours', 'numba'):.2f}**",
        f"{slow / ours:,.0f}",
        "yes" if same else "NO",
        f"{touched:,.0f}",
        f"{1 / by_bandwidth:,.0f} ({by_bandwidth / ours:.0%})",
        f"{1 / by_adding:,.0f} ({by_adding / ours:.0%})",
    ]


def index_row(corpus: Synthetic, kind: str, rows: int, folder: Path, reading: float) -> tuple[list[str], float]:
    """Compare building from word ids: bm25s in memory, ours streamed to disk; the vocabulary's file is in neither."""
    batches = list(corpus.passages(rows))
    lists = [part.tolist() for ids, lengths in batches for part in np.split(ids, np.cumsum(lengths)[:-1])]
    vocabulary = {str(number): number for number in range(corpus.vocabulary)}

    def ours(position: Path) -> None:
        position.mkdir(parents=True)
        builder = IndexBuilder(position, compiled=True)
        for ids, lengths in batches:
            builder.add(ids, lengths, corpus.vocabulary)
        builder.write_arrays(corpus.vocabulary, K1, B)

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        ours(Path(scratch) / "first")
        fast = [seconds(lambda number=number: ours(Path(scratch) / f"{number}")) for number in range(ROUNDS)]
        names = ("data", "indices", "indptr")
        read = {name: np.load(Path(scratch) / "first" / f"{name}.csc.index.npy") for name in names}
    index = bm25s.BM25(method="lucene", k1=K1, b=B)
    slow = seconds(lambda: index.index((lists, vocabulary), create_empty_token=False, show_progress=False))
    same = all(np.array_equal(index.scores[name], read[name]) for name in names)
    best = statistics.median(fast)
    moved = sum(ids.nbytes for ids, _ in batches) + read["data"].nbytes + read["indices"].nbytes
    line = [f"{rows:,} {kind}", f"{best:.2f} s", f"{slow:.1f} s", f"**{slow / best:.1f}**", "yes" if same else "NO"]
    return [*line, by_limit(moved / reading, best)], best


def text_row(corpus: Synthetic, rows: int, folder: Path, reading: float) -> list[str]:
    """Compare texts to index: bm25s' tokenizer and builder, and this package's with its own analyzer."""
    texts = [text for batch in corpus.texts(rows) for text in batch]

    def ours(position: Path) -> None:
        position.mkdir()
        numbering, builder = NumbaVectorizer(Analyzer()), IndexBuilder(position, compiled=True)
        for start in range(0, rows, 8192):
            batch = numbering.number(texts[start : start + 8192], None)
            builder.add(batch.ids, batch.lengths, len(numbering.vocabulary))
        builder.finish(numbering.vocabulary, K1, B)

    def peer() -> None:
        tokens = bm25s.tokenize(texts, stopwords="en", show_progress=False)
        bm25s.BM25(method="lucene", k1=K1, b=B).index(tokens, show_progress=False)

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        ours(Path(scratch) / "first")
        fast = statistics.median(
            seconds(lambda number=number: ours(Path(scratch) / f"{number}")) for number in range(ROUNDS)
        )
        moved = sum(map(len, texts)) + sum((Path(scratch) / "first" / name).stat().st_size for name in (DATA, INDICES))
    slow = seconds(peer)
    line = [f"{rows:,}", f"{fast:.2f} s", f"{slow:.1f} s", f"**{slow / fast:.1f}**"]
    return [*line, by_limit(moved / reading, fast)]


def by_limit(limit: float, taken: float) -> str:
    """Say how long it would take at the limit, and how near we are."""
    return f"{limit:.3f} s ({limit / taken:.0%})"


def large_row(shared: str, folder: str, results: Any) -> None:
    """Build and search 8.8 million passages; run in a process of its own, whose peak memory is measured."""
    corpus = Synthetic(Path(shared), stop_words=False)
    queries = [query.tolist() for query in corpus.queries(2_000)]
    building = seconds(lambda: build(Path(folder), corpus, LARGE))
    built = peak_resident() / 1e9
    postings = Postings(Path(folder), LARGE, compiled=True)
    postings.search(queries[:100], K)
    searching = seconds(lambda: postings.search(queries, K))
    peak = peak_resident() / 1e9
    results.put((building, built, len(queries) / searching, peak))


def large(shared: Path, folder: Path) -> list[str]:
    """Return the line of 8.8 million passages."""
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=large_row, args=(str(shared), str(folder / "large"), results))
    process.start()
    process.join()
    if process.exitcode:
        return [f"{LARGE:,}", f"ended with exit code {process.exitcode}", "", "", ""]
    building, built, rate, peak = results.get()
    return [
        f"{LARGE:,}",
        f"{building:.0f} s",
        f"{LARGE / building:,.0f}",
        f"{rate:,.0f}",
        f"{built:.1f} / {peak:.1f} GB",
    ]


def others(corpus: Synthetic, rows: int) -> list[list[str]]:
    """Time rank_bm25 and tantivy where they are installed; only their speed is comparable."""
    passages = [
        part.tolist() for ids, lengths in corpus.passages(rows) for part in np.split(ids, np.cumsum(lengths)[:-1])
    ]
    queries = [query.tolist() for query in corpus.queries(200)]
    lines = []
    for name, run in (("rank_bm25", rank_bm25_rate), ("tantivy", tantivy_rate)):
        found = importlib.util.find_spec(name) is not None
        lines.append([name, f"{rows:,}", f"{run(passages, queries):,.1f}" if found else "not installed: not measured"])
    return lines


def rank_bm25_rate(passages: list[list[int]], queries: list[list[int]]) -> float:
    """Return queries per second of rank_bm25."""
    from rank_bm25 import BM25Okapi

    index = BM25Okapi(passages)
    return 5 / seconds(lambda: [np.argpartition(index.get_scores(query), -K)[-K:] for query in queries[:5]])


def tantivy_rate(passages: list[list[int]], queries: list[list[int]]) -> float:
    """Return queries per second of tantivy, one thread."""
    import tantivy

    schema = tantivy.SchemaBuilder().add_text_field("text", tokenizer_name="whitespace").build()
    index = tantivy.Index(schema)
    writer = index.writer(500_000_000)
    for passage in passages:
        writer.add_document(tantivy.Document(text=" ".join(f"w{term}" for term in passage)))
    writer.commit()
    index.reload()
    searcher = index.searcher()
    parsed = [index.parse_query(" ".join(f"w{term}" for term in query), ["text"]) for query in queries]
    return len(parsed) / seconds(lambda: [searcher.search(query, K, count=False) for query in parsed])


def exponent(points: list[tuple[int, float]]) -> str:
    """Return the slope of time over size in logarithms, between the two largest sizes."""
    if len(points) < 2:
        return "-"
    (small, before), (big, after) = points[-2:]
    return f"{math.log(after / before) / math.log(big / small):.2f}"


def report(sizes: list[int], shared: Path, folder: Path, *, with_large: bool) -> str:
    """Measure everything; return Markdown."""
    limits = (bandwidth(), add_up_cost())
    search, building, growth = [], [], []
    for kind, stop_words in KINDS.items():
        corpus = Synthetic(shared, stop_words=stop_words)
        search_points, build_points = [], []
        for rows in sizes:
            position = build(folder / f"{stop_words}-{rows}", corpus, rows)
            search.append(search_rows(corpus, kind, rows, position, limits))
            search_points.append((rows, 1 / float(search[-1][1].replace(",", ""))))
            line, took = index_row(corpus, kind, rows, folder, limits[0])
            building.append(line)
            build_points.append((rows, took))
        growth.append([kind, exponent(search_points), exponent(build_points)])
    corpus = Synthetic(shared, stop_words=True)
    parts = [
        f"{os.cpu_count()} threads; reading from memory {limits[0] / 1e9:.1f} GB/s, adding up a posting "
        f"{limits[1] * 1e9:.2f} ns.\n",
        table(
            [
                "passages",
                "hardneg q/s",
                "bm25s numba q/s",
                "bm25s numpy q/s",
                "times numba",
                "times numpy",
                "scores equal",
                "postings/query",
                "read limit",
                "add limit",
            ],
            search,
        ),
        "### Index from word ids\n",
        table(["passages", "hardneg", "bm25s", "times", "arrays equal", "read limit"], building),
        "### Index from texts\n",
        table(
            ["passages", "hardneg", "bm25s", "times", "read limit"],
            [text_row(corpus, rows, folder, limits[0]) for rows in sizes if rows <= 10**6],
        ),
        "### Growth\n",
        table(["corpus", "search, a query", "index"], growth),
        "### Others\n",
        table(["library", "passages", "q/s"], others(corpus, sizes[0])),
    ]
    if with_large:
        header = ["passages", "index from ids", "passages/s", "q/s", "peak memory, index / search"]
        parts += ["### MS MARCO's size, without stop words\n", table(header, [large(shared, folder)])]
    return "\n".join(parts)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("HARDNEG_SHARED", "../shared")))
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results" / "speed_bm25.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = report(options.sizes, options.shared, Path(folder), with_large=options.large)
    print(text)
    write_section(options.out, HEAD, text)


if __name__ == "__main__":
    main()
