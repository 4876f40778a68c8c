"""Makes schemathesis follow rules that no schema can express.

- Each key allows 60 requests a minute, so successive requests use different keys of the same organization. The keys are in the
  file that CONTRACT_KEYS names, one per line.
- What a body refers to must exist: stages and candidates are the organization's own. tests/api covers unknown ones.
- A salary has a min or a max in an existing currency, with no more decimals than it has, and the max is not less than the min.
- A text is visible and has no control characters, and an email is valid: the contract states both in words, since tools disagree
  about patterns and about `format: email`.
- A cursor is one that the API returned for the same list and filters. tests/api covers all others.
- A tag of `If-Match` is a version in quotes: a tag that no object can have is a 400.
- `ids` stands alone, and `externalId` without another filter.
- The candidates that bodies refer to are not erased, only those that were created meanwhile.
- An `Idempotency-Key` is new: a repeated one would be rejected for another request.
- A header has no control characters, which HTTP does not allow.

Except in headers, only requests that should be accepted are adjusted like this; those that should be rejected are sent as generated.
"""

import itertools
import json
import os
import pathlib
import re
import urllib.request
import uuid

import schemathesis

KEYS = itertools.cycle(pathlib.Path(os.environ["CONTRACT_KEYS"]).read_text().split())


def read_ids(path):
    request = urllib.request.Request(os.environ["HH_URL"] + path, headers={"X-API-Key": next(KEYS)})
    with urllib.request.urlopen(request) as response:
        return [row["id"] for row in json.load(response)["data"]]


CANDIDATES = read_ids("/api/v1/candidates?limit=100")
KNOWN = {"stageId": itertools.cycle(read_ids("/api/v1/pipeline/stages")), "candidateId": itertools.cycle(CANDIDATES)}


@schemathesis.auth(refresh_interval=None)
class Keys:
    def get(self, case, context):
        return next(KEYS)

    def set(self, case, data, context):
        case.headers["X-API-Key"] = data


# The cursors that the API returned, each with its list and filters.
CURSORS = {}


def filters(case):
    return {name: value for name, value in (case.query or {}).items() if name not in ("limit", "cursor")}


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code == 200 and b'"nextCursor":"' in response.content:
        CURSORS[response.json()["pagination"]["nextCursor"]] = (case.formatted_path, filters(case))


@schemathesis.hook
def before_call(context, case, kwargs):
    # A header with control characters is not valid HTTP (RFC 9110, section 5.5): the server in front rejects it, not the API.
    for name, value in (case.headers or {}).items():
        case.headers[name] = re.sub(r"[\x00-\x1f\x7f]", "", str(value))
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if isinstance(case.body, dict):
        case.body = playable(case.body)
    tags = (case.headers or {}).get("If-Match", "*")
    if tags != "*":
        case.headers["If-Match"] = ", ".join(f'"{1 + len(tag) % 4}"' for tag in tags.split(","))
    if case.method == "DELETE" and case.path_parameters["id"] in CANDIDATES:
        case.path_parameters["id"] = str(uuid.uuid4())
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if isinstance((case.query or {}).get("email"), str):
        case.query["email"] = next(EMAILS)
    if "externalId" in (case.query or {}):
        case.query["externalId"] = visible(str(case.query["externalId"]))
        for other in ("status", "email"):
            case.query.pop(other, None)
    if "ids" in (case.query or {}):
        ids = case.query["ids"]
        case.query = {name: value for name, value in case.query.items() if name != "ids"} if not ids else {"ids": ids}
    cursor = (case.query or {}).get("cursor")
    if cursor is not None:
        path, same = CURSORS.get(cursor, (None, {}))
        if path == case.formatted_path:
            case.query = {name: case.query[name] for name in ("limit", "cursor") if name in case.query} | same
        else:
            del case.query["cursor"]


EMAILS = (f"person.{n}@example.com" for n in itertools.count())


# Invisible letters and marks.
UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")


def visible(value):
    """The same texts without invisible characters."""
    if isinstance(value, list):
        return [visible(entry) for entry in value]
    if isinstance(value, dict):
        return {name: visible(entry) for name, entry in value.items()}
    if isinstance(value, str) and not value.startswith("http"):
        return "".join(c for c in UNSEEN.sub("", value) if c.isprintable()).strip() or "x"
    return value


def playable(body):
    body = visible(body)
    if isinstance(body.get("email"), str):
        body["email"] = next(EMAILS)
    for name in ("linkedinUrl", "resumeUrl"):
        if isinstance(body.get(name), str) and not body[name].lower().startswith(("http://", "https://")):
            body[name] = "https://example.com/" + str(len(body[name]))
    for name, known in KNOWN.items():
        if isinstance(body.get(name), str):
            body[name] = next(known)
    if isinstance(body.get("salary"), dict):
        # 13 digits, and two decimals.
        ends = sorted(round(min(end, 9e12), 2) for end in map(body["salary"].get, ("min", "max")) if end is not None) or [0]
        body["salary"] = body["salary"] | {"min": ends[0], "max": ends[-1], "currency": "EUR"}
    return body

