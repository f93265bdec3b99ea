"""Will this appointment be missed?  In a notebook: `X, y = build_features(df)`."""

from __future__ import annotations

from typing import Any


def build_features(df: Any) -> tuple[Any, Any]:
    """Features and outcomes of a raw table (pandas or polars, the raw column names), equal to what training sees."""
    from rounds.raw_tables import features_of  # not above: the features of one request need none of it

    return features_of("noshow", df)
