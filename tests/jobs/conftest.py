"""What several tests of steps go on from: a run that only waits to be registered."""

from __future__ import annotations

import pytest

from tests.checkout import Checkout, copied, lenient
from tests.warm import Warm


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Checkout:
    """A checkout with lenient gates in which run a is done as far as evaluate, for no test to change."""
    checkout = lenient(copied(tmp_path_factory.mktemp("done")))
    warm.flow(checkout, "a")
    return checkout
