"""Names that are safe as a path, as a Kubernetes label and to type."""

from __future__ import annotations

import hashlib
import re

LONGEST = 63  # a Kubernetes label's value


def safe(raw: str) -> str:
    """The name of a run in every room; a name that had to be altered ends in a digest, so no two become one."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", raw).strip("-._")
    if name == raw and 0 < len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(raw.encode()).hexdigest()[:8]
    return f"{name[: LONGEST - 9].rstrip('-._')}-{digest}".lstrip("-")
