"""Who may call MLflow: its own check of passwords, and users who may read and nothing else.

MLflow lets every user make experiments and models. The service's user makes none.
"""

from __future__ import annotations

from flask import Response, make_response, request
from mlflow.server.auth import authenticate_request_basic_auth
from werkzeug.datastructures import Authorization

READERS = {"serving"}
READS = {"GET", "HEAD", "OPTIONS"}
SEARCH = "/search"  # how the paths end that read by POST


def authenticate() -> Authorization | Response:
    authorization = authenticate_request_basic_auth()
    if isinstance(authorization, Response):
        return authorization
    reads = request.method in READS or request.path.endswith(SEARCH)
    if authorization.username in READERS and not reads:
        return make_response(f"The user '{authorization.username}' may only read.", 403)
    return authorization
