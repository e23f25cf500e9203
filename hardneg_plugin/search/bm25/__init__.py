"""BM25: index, compiled search and top-k selection."""
