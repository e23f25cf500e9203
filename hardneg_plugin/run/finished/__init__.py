"""Work on finished runs: filter again, calibrate, audit, read rows, export."""
