"""Searching a corpus: by words (BM25) and by vectors."""
