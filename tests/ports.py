"""Ports of this machine that nobody listens on."""

from __future__ import annotations

import random
import socket

# Below those that the system gives to whoever connects, and below those that a cluster gives its services.
OURS = range(15000, 30000)
given: set[int] = set()


def free() -> int:
    """Another one each time: whoever asked before may not listen yet."""
    while True:
        port = random.SystemRandom().choice(OURS)
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in given:
            given.add(port)
            return port
