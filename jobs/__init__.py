"""The steps: one file each, and the list of files is the list of steps."""

from rounds.lazy import defer

# A step that finds nothing changed must not pay for the libraries that it would have worked with.
defer("great_expectations", "numpy", "pandas", "polars", "xgboost")
