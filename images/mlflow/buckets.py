"""Make the buckets that are not there yet: `buckets.py rounds mlflow`."""

from __future__ import annotations

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def main(names: list[str]) -> None:
    patient = Config(retries={"total_max_attempts": 20, "mode": "standard"}, connect_timeout=2, read_timeout=5)
    store = boto3.client("s3", config=patient)
    for name in names:
        try:
            store.create_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in THERE:
                raise


if __name__ == "__main__":
    main(sys.argv[1:])
