#!/bin/sh
# Bring Airflow's database to this version, and make its one user; both again at every start, without harm.
set -eu
airflow db migrate
# From standard input: an argument could be read by whoever lists processes.
printf '%s\n%s\n' "$AIRFLOW_PASSWORD" "$AIRFLOW_PASSWORD" | airflow users create \
    --username admin --role Admin --firstname Airflow --lastname Admin --email admin@localhost
