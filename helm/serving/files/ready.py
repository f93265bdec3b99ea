"""Ask the service whether it is ready; what this says of a failure stands in the events of the pod."""

import http.client
import json
import sys

connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=4)
try:
    connection.request("GET", "/readyz")
    found = connection.getresponse()
except OSError as error:
    sys.exit(f"it does not answer yet: {error}")
if found.status != 200:
    told = json.load(found)
    sys.exit("\n".join(f"{name}: {said}" for name, said in told.items() if name in {"model", "registry", "journal"}))
