"""Datasets by name, from the Hugging Face hub: read from raw files and Parquet, never through a script."""

from hardneg_plugin.datasets.hub.catalogue import hub_entry, hub_names
from hardneg_plugin.datasets.hub.plan import PlannedFile, download, download_plan
from hardneg_plugin.datasets.hub.source import HubSource

__all__ = ["HubSource", "PlannedFile", "download", "download_plan", "hub_entry", "hub_names"]
