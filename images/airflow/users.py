"""Make Airflow's users: `admin` for people, and `serving`, which can start each problem's training and nothing else.

A user that exists is left as it is, so that a password changed in Airflow stays.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

PROBLEMS = Path("/opt/airflow/problems")
ROLE = "Start trainings"


def permissions(dag: str) -> list[tuple[str, str]]:
    """What Airflow wants of a user who starts this DAG and looks at its runs."""
    return [
        ("can_read", f"DAG:{dag}"),
        ("can_edit", f"DAG:{dag}"),
        ("can_read", f"DAG Run:{dag}"),
        ("can_create", f"DAG Run:{dag}"),
    ]


def make_role(security: Any) -> Any:
    role = security.add_role(ROLE)
    for path in sorted(PROBLEMS.glob("*/problem.yaml")):
        for action, resource in permissions(f"train_{path.parent.name}"):
            security.add_permission_to_role(role, security.create_permission(action, resource))
    return role


def make_user(security: Any, name: str, role: Any, password: str) -> None:
    if security.find_user(username=name):
        return
    if not security.add_user(name, "Airflow", name, f"{name}@localhost", role, password):
        raise SystemExit(f"Airflow did not make the user '{name}'; its log says why.")


def main() -> None:
    with get_application_builder() as builder:
        security = builder.sm
        make_user(security, "admin", security.find_role("Admin"), os.environ["ADMIN_PASSWORD"])
        make_user(security, "serving", make_role(security), os.environ["SERVING_PASSWORD"])


if __name__ == "__main__":
    main()
