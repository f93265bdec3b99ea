"""MLflow's users: `admin` for people, `steps` for the steps, `serving` for the service, which only reads."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

USERS = ("admin", "serving", "steps")


def settle(database: str, passwords: Mapping[str, str]) -> None:
    """Make the users that are missing; MLflow gives each one who makes a model the right to change that model."""
    store = SqlAlchemyStore()
    store.init_db(database)
    for name, password in passwords.items():
        if not store.has_user(name):
            store.create_user(name, password, is_admin=name == "admin")
