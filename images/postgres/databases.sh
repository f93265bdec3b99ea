#!/bin/sh
# Make the databases and their owners; Postgres runs this once, at its first start.
psql -v ON_ERROR_STOP=1 --username postgres --dbname postgres \
    --set=airflow="$AIRFLOW_PASSWORD" --set=mlflow="$MLFLOW_PASSWORD" <<'SQL'
create role airflow login password :'airflow';
create role mlflow login password :'mlflow';
create database airflow owner airflow;
create database mlflow owner mlflow;
create database mlflow_auth owner mlflow;
revoke connect on database airflow, mlflow, mlflow_auth from public;
SQL
