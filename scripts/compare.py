"""Sends the same requests to `local` and to `sam local`, and compares the responses.

Usage: compare.py LOCAL_URL SAM_URL KEYS_FILE
"""

import gzip
import http.client
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

local, containers, keys_file = sys.argv[1:]
keys = json.load(open(keys_file))
KEY = next(key["key"] for key in keys if key["plan"] == "professional" and key["label"] == "all")
CANDIDATE = "01a1d455-e078-7c1f-bac9-a1e8fece8006"
SCREENING = "019b8d62-7a81-7421-b5aa-2482ac8bd336"


def send(base, method, path, key=KEY, body=None):
    headers = {"X-API-Key": key} if key else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, json.load(response), response.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


def same(method, path, expected, **options):
    ours, theirs = (send(base, method, path, **options) for base in (local, containers))
    for base, (status, body, headers) in ((local, ours), (containers, theirs)):
        assert status == expected, (path, status, body)
        assert headers["X-Request-Id"], path
        assert headers.get("Link", f"<{base}/").startswith(f"<{base}/"), headers["Link"]
        if "error" in body:
            del body["error"]["requestId"]
            docs = body["error"].pop("docsUrl")
            assert docs.startswith(base + "/docs/errors#"), docs
    assert ours[1] == theirs[1], (path, ours[1], theirs[1])
    return theirs[1]


# The README's three examples. The second and third write, so compare what they leave behind.
same("GET", "/api/v1/jobs?status=open&limit=10", 200)
status, created, _ = send(containers, "POST", "/api/v1/jobs", body={"title": "Night shift nurse", "status": "open"})
assert status == 201, created
same("GET", "/api/v1/jobs/" + created["data"]["id"], 200)
status, moved, _ = send(
    containers, "PUT", f"/api/v1/pipeline/candidates/{CANDIDATE}/move", body={"stageId": SCREENING}
)
assert status == 200 and moved["data"]["changed"], moved
same("GET", f"/api/v1/candidates/{CANDIDATE}", 200)

same("GET", "/api/v1/jobs", 401, key=None)
same("GET", "/api/v1/jobs", 401, key="hh_live_your_key_here")
same("GET", "/api/v1/nope", 404)
same("GET", "/api/v1/jobs/01900000-0000-7000-8000-000000000000", 404)
same("POST", "/api/v1/jobs", 422, body={"titel": "Nurse"})

# The developer pages, compressed.
for path in ["/", "/docs/errors", "/llms.txt", "/api/v1/openapi.json"]:
    pages = []
    for base in (local, containers):
        request = urllib.request.Request(base + path, headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request) as response:
            assert response.headers["Content-Encoding"] == "gzip", path
            pages.append(gzip.decompress(response.read()))
    assert pages[0] == pages[1] and pages[0], path

# The settings. The issuer is `local`'s. Both read sessions from the same table, so the session also works in the containers.
def plain(base, path, cookies=(), form=None):
    """The response, without following redirects."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=120)
    headers = {"Cookie": "; ".join(cookies)} if cookies else {}
    if form is not None:
        headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": base}
    connection.request("GET" if form is None else "POST", path, form and urllib.parse.urlencode(form), headers)
    response = connection.getresponse()
    return response.status, response.headers, response.read().decode()


def cookie(headers, name):
    return next(c.split(";")[0] for c in headers.get_all("Set-Cookie") if c.startswith(name + "="))


_, started, _ = plain(local, "/settings/sign-in")
_, chosen, _ = plain(local, started["Location"].removeprefix(local) + "&person=4")
_, signed_in, _ = plain(local, chosen["Location"].removeprefix(local), [cookie(started, "__Host-sign-in")])
session = cookie(signed_in, "__Host-session")
status, _, page = plain(local, "/settings/keys", ["theme=dark", session])
assert status == 200 and "Northfield Search Group" in page, page
assert plain(containers, "/settings/keys", ["theme=dark", session])[::2] == (status, page)
token = re.search('name="token" value="([^"]+)"', page)[1]
assert plain(containers, "/settings/sign-out", [session], {"token": "another"})[0] == 403
status, signed_out, _ = plain(containers, "/settings/sign-out", [session], {"token": token})
assert status == 303 and cookie(signed_out, "__Host-session") == "__Host-session=", (status, signed_out.items())
assert plain(local, "/settings/keys", [session])[0] == 303

# List all jobs, page by page.
seen, cursor = [], ""
while cursor is not None:
    page = same("GET", "/api/v1/jobs?limit=25" + (f"&cursor={cursor}" if cursor else ""), 200)
    seen += [job["id"] for job in page["data"]]
    cursor = page["pagination"]["nextCursor"]
assert len(seen) == len(set(seen)) == 61, len(seen)
print(f"{len(seen)} jobs listed; all responses are the same")
