"""Lines that say why queries have fewer negatives than asked for, and what would give them more."""

from __future__ import annotations

from collections.abc import Mapping

# Reason of a drop → the parameter that drops so.
_PARAMETERS = {
    "margin: relative": "relative_margin",
    "margin: absolute": "absolute_margin",
    "score: above max": "max_score",
    "score: below min": "min_score",
    "rank window": "range_min",
    "positive: near-duplicate": "near_duplicate",
}
# What gives more negatives, by the parameter that took them.
_REMEDIES = {
    "relative_margin": "a smaller one keeps more",
    "absolute_margin": "a smaller one keeps more",
    "max_score": "a higher one keeps more",
    "min_score": "a lower one keeps more",
    "range_min": "a smaller one keeps more",
    "near_duplicate": "a higher one keeps more",
}
# From this share on a parameter is worth a line where queries are left short.
_WORTH = 0.1


def hints(
    dropped: Mapping[str, int], candidates: int, values: Mapping[str, float | None], left_out: int, queries: int
) -> tuple[str, ...]:
    """Return the lines; none where no query is left out.

    :param dropped: Reason → candidates dropped for it.
    :param candidates: Candidates found.
    :param values: Parameter → its value.
    :param left_out: Queries left out for having too few negatives.
    :param queries: Queries mined for.
    """
    if not left_out:
        return ()
    lines = [f"{left_out:,} of {queries:,} queries have too few negatives and are left out"]
    for reason, count in sorted(dropped.items(), key=lambda item: -item[1]):
        name = _PARAMETERS.get(reason)
        if name is not None and count >= _WORTH * candidates:
            value = values.get(name)
            amount = "" if value is None else f" {value:g}"
            lines.append(f"{name}{amount} dropped {count / candidates:.0%} of the candidates; {_REMEDIES[name]}")
    lines.append(
        "fewer num_negatives or a larger range_max leave out less; on_few_negatives='fill' takes further candidates, "
        "then random ones"
    )
    return tuple(lines)
