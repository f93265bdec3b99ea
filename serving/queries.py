"""The query of a URL: read once, by its decoded names and values."""

from __future__ import annotations

from urllib.parse import parse_qsl

from serving.inputs import fault
from serving.limits import Problem

MOST = 8  # fields of a query


def wants_reasons(query: bytes) -> bool:
    """Whether a query to /predict says explain=true."""
    fields = _fields(query) if query else {}
    value = fields.pop("explain", "false")
    if value not in {"true", "false"}:
        raise Problem(422, "explain is not what is wanted.", fields=[fault("explain", value, "true or false")])
    for name, other in fields.items():
        raise Problem(422, "The query is not what is wanted.", fields=[fault(name, other, "explain alone")])
    return value == "true"


def _fields(query: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST)
    except ValueError:
        wanted = "explain alone"
        raise Problem(422, "The query is not what is wanted.", fields=[{"field": "", "wanted": wanted}]) from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise Problem(422, "The query is not what is wanted.", fields=[fault(name, value, f"{name} once")])
        fields[name] = value
    return fields
