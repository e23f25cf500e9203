from __future__ import annotations

import pyarrow as pa

from hardneg_plugin.datasets.arrow_dataset import arrow_dataset

ROWS = {"anchor": ["red", "blue"], "negatives": [["a", "b"], []], "score": [0.5, None]}


def test_the_rows_are_the_tables():
    assert arrow_dataset(pa.table(ROWS)).to_dict() == ROWS


def test_the_fingerprint_is_that_of_the_content():
    def fingerprint(table):
        return arrow_dataset(table)._fingerprint

    table = pa.table(ROWS)
    assert fingerprint(table) == fingerprint(pa.table(ROWS))
    others = [
        pa.table({**ROWS, "anchor": ["red", "grey"]}),
        pa.table({**ROWS, "score": [0.5, 0.25]}),
        table.rename_columns(["query", "negatives", "score"]),
        table.slice(0, 1),
        table.slice(1, 1),
    ]
    assert len({fingerprint(one) for one in [table, *others]}) == 6
