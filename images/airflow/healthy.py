"""Ask Airflow's API server whether a component of Airflow is healthy: `healthy.py scheduler`."""

from __future__ import annotations

import json
import os
import sys
import urllib.request


def main(component: str) -> str | None:
    address = os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].replace("/execution/", "/api/v2/monitor/health")
    try:
        with urllib.request.urlopen(address, timeout=8) as answer:
            found = json.load(answer)[component]["status"]
    except OSError as error:
        return f"{address} does not answer: {error}"
    return None if found == "healthy" else f"{component} is {found or 'not there'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
