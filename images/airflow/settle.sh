#!/bin/sh
# Bring Airflow's database to this version, and make its users; both again at every start, without harm.
set -eu
airflow db migrate
exec python /opt/airflow/users.py
