"""An S3 bucket: what the environment must say to open it, how long an answer is waited for, and what its noes mean."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from urllib.parse import urlsplit

from obstore.store import S3Store

from rounds.errors import StoreClosed
from rounds.settings import settings

WHOLE = timedelta(days=1)  # for one object of any size; a silence ends far sooner
# What no waiting mends: rights, keys, region, a method that the server lacks.
FINAL = {"301", "307", "401", "403", "501"}
ALSO_FINAL = {"AuthorizationHeaderMalformed", "InvalidBucketName"}
PASSING = {"NoSuchKey", "NoSuchUpload", "NoSuchVersion", ""}
# Keys that are lent to a pod or container; an AWS machine's own role needs no variable at all.
LENT = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
ROLE = "http://169.254.169.254"  # where a machine at Amazon is told its role, asked only where no key is given
BROKEN = {
    "dns error": "its name is not known",
    "ConnectionRefused": "nobody listens there",
    "InvalidContentType": "it does not speak https",
    "invalid peer certificate": "its certificate is not trusted",
    "kind: Timeout": "no answer in time",
    "TimedOut": "no answer in time",
    "BadScheme": "want http:// or https:// before it",
}


def open_bucket(url: str) -> S3Store:
    """The bucket and prefix of `s3://bucket/prefix`; nothing is asked of the server yet."""
    parts = urlsplit(url)
    odd = "@" in parts.netloc or "//" in parts.path or parts.query or parts.fragment
    if parts.scheme != "s3" or not parts.netloc or odd:
        shown = f"s3://{parts.netloc.rpartition('@')[2]}{parts.path}"
        raise StoreClosed(f"'{shown}' is no place; want s3://bucket/prefix, and the keys in the environment.")
    _check_keys()
    seconds = _patience()
    return S3Store.from_url(
        url,
        # Together they end within `seconds`: the last try begins at two thirds and is given the third that is left.
        retry_config={
            "max_retries": 1000,
            "retry_timeout": timedelta(seconds=seconds * 2 / 3),
            "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5), "base": 2},
        },
        client_options={
            "allow_http": _is_plain(),
            "timeout": WHOLE,
            "connect_timeout": timedelta(seconds=min(5.0, seconds / 3)),
            "read_timeout": timedelta(seconds=seconds / 3),
        },
    )


def is_absent(error: FileNotFoundError) -> bool:
    """Whether the server says that there is no such object; a missing bucket or user is 404 too."""
    return _code(str(error)) == "NoSuchKey"


def is_final(error: Exception) -> bool:
    """Whether asking again would be answered in the same way."""
    status, code = _status(str(error))[:3], _code(str(error))
    return ROLE in str(error) or status in FINAL or code in ALSO_FINAL or (status == "404" and code not in PASSING)


def reason(error: Exception) -> str:
    """What a server said, or why it said nothing, in a few words."""
    text = str(error)
    if ROLE in text:
        return "AWS_ACCESS_KEY_ID is not set, and this machine has no role of its own"
    server = re.search(r"performing \w+ (https?://[^/?\s]+)", text)
    where = f"{server[1]}: " if server else ""
    if status := _status(text):
        code = _code(text)
        return f"{where}answers {status}" + (f" ({code})" if code else "")
    found = next((words for sign, words in BROKEN.items() if sign in text), None)
    if found is None and "error sending request" in text:
        found = "the connection broke"
    return where + (found or text.partition("\n")[0] or type(error).__name__)


def _status(text: str) -> str:
    found = re.search(r"status code: (\d{3}[A-Za-z -]*)", text)
    return found[1].strip() if found else ""


def _code(text: str) -> str:
    found = re.search(r"<Code>(\w+)</Code>", text)
    return found[1] if found else ""


def _check_keys() -> None:
    """What is missing is said before a server is asked, which would only say that it is forbidden."""
    key, secret = _given("AWS_ACCESS_KEY_ID"), _given("AWS_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret) or (_endpoint() and not key and not any(map(_given, LENT))):
        missing = "AWS_SECRET_ACCESS_KEY" if key else "AWS_ACCESS_KEY_ID"
        raise StoreClosed(f"{missing} is not set; want both halves of the bucket's key in the environment.")


def _is_plain() -> bool:
    """Whether the way to the server is open to whoever listens, and whoever set it up said so."""
    plain = _endpoint().startswith("http://")
    if plain and _given("AWS_ALLOW_HTTP").lower() not in {"true", "1", "yes", "on"}:
        raise StoreClosed(
            f"AWS_ENDPOINT_URL is {_endpoint()}, where others may read along; want https://, "
            "or AWS_ALLOW_HTTP=true if the way there is your own."
        )
    return plain


def _endpoint() -> str:
    return _given("AWS_ENDPOINT_URL") or _given("AWS_ENDPOINT")


def _given(name: str) -> str:
    return os.environ.get(name, "").strip()


def _patience() -> float:
    """After how many seconds a server that does not answer is given up."""
    text = settings().store_timeout
    if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) <= 0:
        raise StoreClosed(f"STORE_TIMEOUT is '{text}'; want seconds above 0, such as 60.")
    return float(text)
