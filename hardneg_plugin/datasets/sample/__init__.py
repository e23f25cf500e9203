"""The ``sample`` dataset: a fictional encyclopedia in eight languages, generated on the spot.

It needs no network and no files, and it knows *all* relevant passages of every query, the ones hidden from training
included, so that the false negatives of a miner can be counted instead of guessed.
"""

from __future__ import annotations

from hardneg_plugin.datasets.sample.source import SampleSource

__all__ = ["SampleSource"]
