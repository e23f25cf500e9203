"""Mining, filtering, judging and ranking as functions on the candidate table, without Haystack."""
