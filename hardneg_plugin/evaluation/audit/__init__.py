"""Checks of training rows: each takes the table of all rows and returns findings."""
