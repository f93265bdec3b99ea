"""Ask the service for one prediction, of the example in its own schema."""

import json
import os
import sys
import urllib.error
import urllib.request

URL, KEY = os.environ["URL"], os.environ.get("KEY", "")


def asked(path, body=None):
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {KEY}"} if KEY else {}
    request = urllib.request.Request(URL + path, None if body is None else json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


print("ready:", asked("/readyz"))
try:
    found = asked("/predict", {"appointments": asked("/schema")["examples"][:1]})
except urllib.error.HTTPError as error:
    if KEY or error.code != 401:
        sys.exit(f"/predict answered {error.code}: {error.read().decode()}")
    print("It asks for a key, as it should. Set test.keySecret, and this test predicts.")
else:
    (said,) = found["predictions"]
    assert 0 <= said["probability"] <= 1, said
    print(f"{found['model']} version {found['version']} answered: {said['probability']:.3f}, {said['band']}")
