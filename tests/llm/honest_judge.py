"""A judge of a few lexical rules that looks at nothing but what stands between the fences.

It decides each passage by itself, so that a verdict can be worked out by hand, and whatever one passage says changes no
verdict on another.
"""

from __future__ import annotations

import json
import re

_WORD = re.compile(r"\w+")
_FENCE = re.compile(r"<(\d+)>([^<>]*)</\1>")


def words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text) if len(word) > 3}


def between(tag: str, text: str) -> str:
    found = re.search(f"<{tag}>([^<>]*)</{tag}>", text)
    return found.group(1) if found else ""


def verdict(query: str, good: str, passage: str) -> tuple[str, int]:
    """Half of the good passage's words: it answers; a word of the query: hard; else easy."""
    known = words(good)
    if known and len(known & words(passage)) * 2 >= len(known):
        return "false_negative", 95
    return ("hard_negative", 80) if words(query) & words(passage) else ("easy_negative", 10)


def answer(messages: list[dict[str, str]], schema: dict | None) -> str:
    """Answer the questions of the classifier, the ranker and the generator."""
    text = messages[-1]["content"]
    query, good = between("query", text), between("good", text)
    properties = (schema or {}).get("properties", {})
    if "passages" in properties:
        return json.dumps({"passages": [f"{query} number {number} is told elsewhere." for number in (1, 2, 3)]})
    shown = [(int(number), *verdict(query, good, passage)) for number, passage in _FENCE.findall(text)]
    if "verdicts" in properties:
        verdicts = [{"id": number, "label": label, "hardness": hardness} for number, label, hardness in shown]
        return json.dumps({"verdicts": verdicts})
    ((_, label, hardness),) = shown
    return json.dumps({"label": label, "hardness": hardness})
