"""Blocks of examples that fit into the memory a run has promised.

What a stage holds for an example are its candidates: their columns, and in filters and encoders their texts. A stage
that would hold more for a whole shard than there is room for gets the shard in blocks; its results are the same, since
no stage but those that say so (``needs_all_examples``) looks from one example at another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.memory import available_memory, memory_limit, private_memory
from hardneg_plugin.records import MiningExample, table_of

# Estimates, rather too large: bytes of an example with its positive, and of a candidate in all columns of a stage, its
# copies included; a text that is looked at is held twice (as it is, and normalised or split).
_EXAMPLE, _CANDIDATE, _TEXTS = 6_000, 400, 2
# A string of Python keeps 50 bytes, and up to 4 bytes a character.
_STRING = 50
_SAMPLE = 200
# What one stage may take of the room; the rest is for the models and searches that it loads.
_SHARE = 0.5


def run_in_blocks(
    component: StageComponent, examples: list[MiningExample], say: Callable[[str], None] | None = None
) -> dict[str, list[MiningExample]]:
    """Run a component over a shard, in as many blocks as the promised memory makes necessary.

    :param component: A component whose results for an example do not depend on the others.
    :param examples: The shard.
    :param say: Is told, before the work starts, that there are blocks.
    :returns: What the component returns.
    """
    size = block_size(component, examples)
    if size >= len(examples):
        return component.run(examples=examples)
    if say is not None:
        name = type(component).__name__
        say(f"{name}: a shard of {len(examples):,} would take more memory than promised; it goes in blocks of {size:,}")
    whole: dict[str, list[MiningExample]] = {}
    for start in range(0, len(examples), size):
        for name, part in component.run(examples=examples[start : start + size]).items():
            whole.setdefault(name, []).extend(part)
    return whole


def block_size(component: StageComponent, examples: Sequence[MiningExample]) -> int:
    """Return how many of a shard's examples a component may be given at once, at least one.

    :param component: The component.
    :param examples: The shard.
    """
    room = available_memory(_SHARE)
    if room is None or not examples:
        return len(examples)
    return max(1, min(len(examples), room // bytes_per_example(examples, component.added_candidates)))


def bytes_per_example(examples: Sequence[MiningExample], added: int = 0) -> int:
    """Estimate the bytes that a stage holds for an example.

    :param examples: At least one; their mean is taken.
    :param added: Candidates that the stage adds to each.
    """
    table = table_of(examples)
    candidates = len(table.passages) / len(examples) + added
    texts = [positive.content or "" for example in examples[:_SAMPLE] for positive in example.positives]
    text = _STRING + (float(np.mean([len(text.encode("utf-8", "surrogatepass")) for text in texts])) if texts else 0)
    return int(_EXAMPLE + candidates * (_CANDIDATE + _TEXTS * text))


def check_fits(name: str, shards: Sequence[list[MiningExample]]) -> None:
    """Check that all examples fit into the promised memory at once, before a stage that needs them starts.

    :param name: Name of the stage.
    :param shards: The examples; the first shard tells how large one is.
    :raises WorkspaceError: If they do not.
    """
    room, limit = available_memory(), memory_limit()
    if room is None or limit is None:
        return
    first = shards[0]
    number = len(first) * len(shards)
    needed = number * bytes_per_example(first)
    if needed > room:
        msg = (
            f"{name} needs all examples at once: {number:,} of about {needed / number / 1e3:,.0f} kB are "
            f"{needed / 1e9:,.1f} GB, and `memory` promises {limit / 1e9:,.1f} GB, of which "
            f"{private_memory() / 1e9:,.1f} are taken; "
            "promise more, draw fewer queries (data.limit), or put the stage behind `sample`, which leaves "
            "fewer candidates"
        )
        raise WorkspaceError(msg)
