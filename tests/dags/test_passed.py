"""What a step sees of its worker, here and elsewhere."""

from __future__ import annotations

from launch.passed import here, passed, plain


def test_the_folder_of_the_journal_is_of_use_on_this_machine_alone() -> None:
    """A step finds the service's key in it; a container would make one of its own on a disk that goes with it."""
    given = {"JOURNAL_FOLDER": "/a/journal", "JOURNAL_KEY": "secret", "STORE": "file:///a/store"}
    assert here(given) == {"PYTHONUNBUFFERED": "1", **given}
    assert passed(given) == {"PYTHONUNBUFFERED": "1", "JOURNAL_KEY": "secret", "STORE": "file:///a/store"}
    assert "JOURNAL_KEY" not in plain(given)
