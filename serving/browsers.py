"""Requests that a browser sends for a page of another site: refused, whatever its user may be allowed."""

from __future__ import annotations

import re

from serving.limits import CLOSE, Problem, Scope

# Names that lead to this machine alone. A page of another site can have its own name lead here (DNS rebinding).
_LOOPBACK = re.compile(rb"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_SHOWN = 100  # characters of a header's value in an error


def check(scope: Scope, keys: bool) -> None:
    """Refuse what another site may have sent. Without keys, being asked on this machine is the only permission."""
    hosts, origins, site = [], [], b""
    for name, value in scope["headers"]:
        if name == b"host":
            hosts.append(value)
        elif name == b"origin":
            origins.append(value)
        elif name == b"sec-fetch-site":
            site = value
    if len(hosts) > 1 or (not hosts and scope["http_version"] != "1.0"):
        raise Problem(400, f"The request has {len(hosts)} Host headers; want one.", CLOSE)
    if site == b"cross-site" and not _navigates(scope):
        raise Problem(
            403, "The request comes from a page of another site (Sec-Fetch-Site); use the service's own page."
        )
    if not keys:
        _check_names(hosts[0] if hosts else b"", origins)


def is_loopback(host: bytes) -> bool:
    """Whether a Host header names this machine."""
    return _LOOPBACK.fullmatch(host) is not None


def check_body(scope: Scope) -> None:
    """Want JSON, declared as such. A page of another site cannot declare that without asking first."""
    kinds = []
    for name, value in scope["headers"]:
        if name == b"content-type":
            kinds.append(value)
        elif name == b"upgrade":
            raise Problem(
                400, "The service speaks HTTP/1.1 alone, and an Upgrade would lose the body; send none.", CLOSE
            )
    if kinds == [b"application/json"]:
        return
    if len(kinds) != 1 or kinds[0].partition(b";")[0].strip().lower() != b"application/json":
        raise Problem(415, "Want the header 'Content-Type: application/json'.", CLOSE)


def _check_names(host: bytes, origins: list[bytes]) -> None:
    if not is_loopback(host):
        raise Problem(
            403,
            f"The Host is '{_shown(host)}'; without keys the service answers as localhost, 127.0.0.1 and [::1] alone. "
            "Use one of these, or set KEYS.",
        )
    for origin in origins:
        if origin.lower() not in {b"http://" + host.lower(), b"https://" + host.lower()}:
            raise Problem(
                403,
                f"The Origin is '{_shown(origin)}'; without keys the service answers its own pages alone. "
                "Use the service's own page, or set KEYS.",
            )


def _navigates(scope: Scope) -> bool:
    """A link or a bookmark that opens one of the pages; the other site sees nothing of it."""
    modes = [value for name, value in scope["headers"] if name == b"sec-fetch-mode"]
    return scope["method"] == "GET" and modes == [b"navigate"]


def _shown(value: bytes) -> str:
    return value[:_SHOWN].decode("ascii", "replace")
