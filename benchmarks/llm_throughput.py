"""How much of a language model's server is used, and what that costs the client, with threads and in an event loop.

Usage: ``python benchmarks/llm_throughput.py [--calls N] [--out FILE]``. A server that speaks Ollama's API
(tests/llm/ollama_server.py) runs in a process of its own, takes 200 ms for an answer and has 8 places: it can give 40
answers a second. ``LLMNegativeClassifier`` asks it over HTTP about candidates of the built-in sample, all that a run
does included: prompts, cache of answers, parsing. Processor time is that of the client's process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hardneg_plugin import (
    BM25NegativeMiner,
    ExampleShards,
    KnownPositiveFilter,
    LLMNegativeClassifier,
    MiningExample,
    StrictOllamaChatGenerator,
    load_dataset,
)
from hardneg_plugin.llm.session import session

SERVER = Path(__file__).parents[1] / "tests" / "llm" / "ollama_server.py"
LATENCY, PLACES = 0.2, 8
CANDIDATES = 10
MODES = ("pointwise", "listwise")
REPETITIONS = 3


class Use(NamedTuple):
    """Of one run.

    :param share: Answers a second, of those that the server can give.
    :param processor: Seconds of the client's processor time per verdict.
    :param verdicts: Verdicts that were asked for.
    """

    share: float
    processor: float
    verdicts: int


@contextmanager
def server() -> Iterator[str]:
    """Run the server; yield its address."""
    with subprocess.Popen(  # noqa: S603 - a file of this repository
        [sys.executable, str(SERVER), str(LATENCY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def mined(calls: int, mode: str) -> list[MiningExample]:
    """Return examples of the sample that take so many calls."""
    per_query = CANDIDATES if mode == "pointwise" else 1
    dataset = load_dataset("sample?passages=8000")
    examples = ExampleShards(dataset, "train", limit=calls // per_query)[0]
    found = BM25NegativeMiner(corpus=dataset.spec, top_k=2 * CANDIDATES).run(examples=examples)["examples"]
    kept: list[MiningExample] = KnownPositiveFilter().run(examples=found)["examples"]
    return kept


def with_threads(judge: LLMNegativeClassifier, examples: list[MiningExample]) -> None:
    """Judge with threads that wait."""
    judge.run(examples=examples)


def in_a_loop(judge: LLMNegativeClassifier, examples: list[MiningExample]) -> None:
    """Judge in an event loop."""
    asyncio.run(judge.run_async(examples=examples))


def use(url: str, mode: str, run: Callable[..., None], examples: list[MiningExample]) -> Use:
    """Judge with an empty cache of answers, and measure."""
    judge = LLMNegativeClassifier(
        chat_generator=StrictOllamaChatGenerator(url=url),
        mode=mode,  # type: ignore[arg-type]
        max_candidates=CANDIDATES,
        max_workers=PLACES,
    )
    judge.warm_up()
    with tempfile.TemporaryDirectory() as folder:
        # The corpus stays where it is: only answers are looked for anew.
        before, os.environ["HARDNEG_CACHE"] = os.environ.get("HARDNEG_CACHE"), folder
        try:
            with session() as opened:
                started, worked = time.monotonic(), time.process_time()
                run(judge, examples)
                seconds, worked = time.monotonic() - started, time.process_time() - worked
        finally:
            del os.environ["HARDNEG_CACHE"]
            if before is not None:
                os.environ["HARDNEG_CACHE"] = before
    asked = opened.usage.total()
    assert asked.cached == asked.unanswered == 0
    verdicts = asked.calls * (1 if mode == "pointwise" else CANDIDATES)
    return Use(asked.calls / seconds / (PLACES / LATENCY), worked / verdicts, verdicts)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    with server() as url:
        for mode in MODES:
            examples = mined(arguments.calls, mode)
            for name, run in (("threads", with_threads), ("event loop", in_a_loop)):
                runs = [use(url, mode, run, examples) for _ in range(REPETITIONS)]
                share = statistics.median(one.share for one in runs)
                processor = statistics.median(one.processor for one in runs)
                rows.append(f"| {mode} | {name} | {share:.1%} | {1000 * processor:.2f} ms | {runs[0].verdicts:,} |")
                print(rows[-1], flush=True)
    text = (
        "# How much of a language model's server is used\n\n"
        f"`python benchmarks/llm_throughput.py`: {LATENCY * 1000:.0f} ms an answer, {PLACES} at a time; medians of"
        f" {REPETITIONS} runs of {arguments.calls} calls over HTTP, by `LLMNegativeClassifier`.\n\n"
        "| mode | waits with | of the server's capacity | client's processor time per verdict | verdicts |\n"
        "|---|---|--:|--:|--:|\n" + "\n".join(rows) + "\n"
    )
    if arguments.out:
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
