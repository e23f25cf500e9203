"""Text analysis for lexical search and for comparing passages, in any script."""

from __future__ import annotations

from hardneg_plugin.text.analyzer import Analyzer
from hardneg_plugin.text.fingerprint import analysis_fingerprint
from hardneg_plugin.text.language import detect_language
from hardneg_plugin.text.normalise import normalise, normalise_all

__all__ = ["Analyzer", "analysis_fingerprint", "detect_language", "normalise", "normalise_all"]
