"""Text analysis for lexical search and for comparing passages, in any script."""

from __future__ import annotations

from hardneg_plugin.text.analyzer import Analyzer
from hardneg_plugin.text.language import detect_language
from hardneg_plugin.text.normalise import normalise

__all__ = ["Analyzer", "detect_language", "normalise"]
