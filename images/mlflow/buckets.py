"""The buckets, their users, and who may do what in which: in versitygw, by its admin API and bucket policies."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

USERS = ("logs", "mlflow", "serving", "steps")
EXISTS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
READ = ["s3:GetObject"]
WRITE = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
# The ledgers, and what shows that they are whole.
LEDGERS = ("rounds/store/*/.journal/*", "rounds/store/*/.outcomes/*", "rounds/store/*/.chains/*")
REQUESTS = "rounds/store/*/.retrains/*"  # for a training


def statement(user: str, actions: list[str], *resources: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"AWS": [user]},
        "Action": actions,
        "Resource": [f"arn:aws:s3:::{resource}" for resource in resources],
    }


def list_below(user: str, bucket: str, prefix: str) -> dict[str, Any]:
    """The right to list what lies below a prefix, and nothing beside it."""
    listing = statement(user, ["s3:ListBucket"], bucket)
    return {**listing, "Condition": {"StringLike": {"s3:prefix": [f"{prefix}*"]}}}


POLICIES = {
    "mlflow": [
        statement("mlflow", ["s3:ListBucket"], "mlflow"),
        statement("mlflow", WRITE, "mlflow/*"),
    ],
    "rounds": [
        list_below("steps", "rounds", "store/"),
        statement("steps", WRITE, "rounds/store/*"),
        list_below("serving", "rounds", "store/"),
        statement("serving", READ, "rounds/store/*"),
        statement("serving", WRITE, *LEDGERS),
        statement("serving", ["s3:GetObject", "s3:PutObject"], REQUESTS),
        list_below("logs", "rounds", "store/.logs/"),
        statement("logs", WRITE, "rounds/store/.logs/*"),
    ],
}


def settle(passwords: Mapping[str, str]) -> None:
    patient = Config(retries={"total_max_attempts": 20, "mode": "standard"}, connect_timeout=2, read_timeout=5)
    store = boto3.client("s3", config=patient)
    for bucket in POLICIES:
        make_bucket(store, bucket)
    for user, password in passwords.items():
        make_user(store.meta.endpoint_url, user, password)
    for bucket, statements in POLICIES.items():
        policy = {"Version": "2012-10-17", "Statement": statements}
        store.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def make_bucket(store: Any, name: str) -> None:
    try:
        store.create_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in EXISTS:
            raise


def make_user(endpoint: str, name: str, password: str) -> None:
    """A user without any right of its own: the buckets' policies give the rights."""
    account = f"<Account><Access>{name}</Access><Secret>{escape(password)}</Secret><Role>user</Role></Account>"
    try:
        call_admin(f"{endpoint}/create-user", account)
    except urllib.error.HTTPError as error:
        if error.code != 409:  # it exists
            raise


def call_admin(address: str, body: str) -> None:
    signed = AWSRequest("PATCH", address, data=body.encode())
    S3SigV4Auth(boto3.Session().get_credentials(), "s3", os.environ["AWS_REGION"]).add_auth(signed)
    request = urllib.request.Request(address, body.encode(), dict(signed.headers), method="PATCH")
    with urllib.request.urlopen(request, timeout=10):
        pass
