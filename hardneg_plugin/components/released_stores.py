"""Letting go of what document stores and their clients hold: connections, files and the locks on them."""

from __future__ import annotations

from typing import Any

from hardneg_plugin.components import lifecycle
from hardneg_plugin.components.corpus_parameter import OpenCorpus
from hardneg_plugin.components.inner_components import components_in, stores_in


def release(owner: object) -> None:
    """Close the retrievers and embedders that a component is made of, and the document stores behind them.

    :param owner: The component; parts without a ``close`` hold nothing that they could release.
    """
    for part in _parts(owner):
        lifecycle.close(part)


async def release_async(owner: object) -> None:
    """Close the parts of a component and the stores behind them, what belongs to the event loop first.

    :param owner: The component.
    """
    for part in _parts(owner):
        await lifecycle.close_async(part)


def _parts(owner: object) -> list[Any]:
    corpus = getattr(owner, "corpus", None)
    return [*components_in(owner)][1:] + stores_in(owner) + ([] if isinstance(corpus, str) else [corpus])


class ReadsCorpus:
    """Base of a component whose ``corpus`` may be a document store, and that may have embedders."""

    _open: OpenCorpus | None = None

    @property
    def left_out(self) -> dict[str, int]:
        """Reason → number of a store's documents that do not become passages."""
        return {} if self._open is None else self._open.left_out

    def close(self) -> None:
        """Drop what was opened, and release the document store and embedders; the next run opens them anew."""
        self._forget()
        release(self)

    async def close_async(self) -> None:
        """Drop what was opened, and release the document store and embedders."""
        self._forget()
        await release_async(self)

    def _forget(self) -> None:
        """Drop what was opened: models, indexes and corpora in memory."""
