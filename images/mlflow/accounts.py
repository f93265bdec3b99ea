"""Make the buckets, and the users of the store and of MLflow with their rights; again at every start, without harm."""

from __future__ import annotations

import os

import buckets
import users


def main() -> None:
    passwords = os.environ
    buckets.settle({name: passwords[f"STORE_{name.upper()}"] for name in buckets.USERS})
    users.settle(
        passwords["MLFLOW_AUTH_DATABASE"],
        {name: passwords[f"MLFLOW_{name.upper()}"] for name in users.USERS},
    )


if __name__ == "__main__":
    main()
