"""Whole jobs as one call, for people who want no pipeline."""

from hardneg_plugin.api.audit import Audit, audit
from hardneg_plugin.api.mine import MiningResult, mine
from hardneg_plugin.api.statistics import MiningStatistics

__all__ = ["Audit", "MiningResult", "MiningStatistics", "audit", "mine"]
