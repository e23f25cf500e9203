"""Letting go of what document stores and their clients hold: connections, files and the locks on them."""

from __future__ import annotations

from typing import Any

from hardneg_plugin.components.inner_components import components_in, stores_in


def release(owner: object) -> None:
    """Close the retrievers and embedders that a component is made of, and the document stores behind them.

    :param owner: The component; parts without a ``close`` hold nothing that they could release.
    """
    for part in _parts(owner):
        if hasattr(part, "close"):
            part.close()


async def release_async(owner: object) -> None:
    """Close the parts of a component and the stores behind them, what belongs to the event loop first.

    :param owner: The component.
    """
    for part in _parts(owner):
        if hasattr(part, "close_async"):
            await part.close_async()
        elif hasattr(part, "close"):
            part.close()


def _parts(owner: object) -> list[Any]:
    corpus = getattr(owner, "corpus", None)
    return [*components_in(owner)][1:] + stores_in(owner) + ([] if isinstance(corpus, str) else [corpus])


class ReadsCorpus:
    """Base of a component whose ``corpus`` may be a document store, and that may have embedders."""

    def close(self) -> None:
        """Release what the document store and embedders hold; a store that is read again opens anew."""
        release(self)

    async def close_async(self) -> None:
        """Release what the document store and embedders hold."""
        await release_async(self)
