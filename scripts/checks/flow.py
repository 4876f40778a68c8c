"""A day's work with the client that openapi-python-client generates from openapi.json: list all jobs, create a candidate, apply,
move, and get a 422 and a 404 with typed errors. Every write has an idempotency key.

Usage: flow.py ORIGIN KEY
"""

import sys
from collections.abc import Iterator
from uuid import UUID, uuid4

from headhonta import AuthenticatedClient
from headhonta.api.applications import create_application
from headhonta.api.candidates import create_candidate
from headhonta.api.jobs import create_job, get_job, list_jobs
from headhonta.api.pipeline import list_stages, move_candidate
from headhonta.models import (
    ApplicationResponse,
    ApplicationStatus,
    CandidateResponse,
    ErrorCode,
    ErrorResponse,
    Job,
    JobList,
    JobStatus,
    MovedResponse,
    NewApplication,
    NewCandidate,
    NewJob,
    NewMove,
    ProblemCode,
    StageKind,
    StageList,
)
from headhonta.types import UNSET

ORIGIN, KEY = sys.argv[1], sys.argv[2]
client = AuthenticatedClient(base_url=ORIGIN, token=KEY, prefix="", auth_header_name="X-API-Key")


def all_jobs() -> Iterator[Job]:
    cursor: str | None = None
    while True:
        page = list_jobs.sync(client=client, limit=25, cursor=cursor or UNSET)
        assert isinstance(page, JobList), page
        yield from page.data
        cursor = page.pagination.next_cursor
        if cursor is None:
            return


jobs = list(all_jobs())
assert len({job.id for job in jobs}) == 60, len(jobs)
job = next(job for job in jobs if job.status == JobStatus.OPEN)

person = NewCandidate(first_name="Monty", last_name="Piper", email="monty.piper@example.com", skills=["Python"])
once = str(uuid4())
created = create_candidate.sync(client=client, body=person, idempotency_key=once)
assert isinstance(created, CandidateResponse), created
candidate: UUID = created.data.id
assert created.data.phone is None

# As after a lost response: the candidate is not created twice.
again = create_candidate.sync_detailed(client=client, body=person, idempotency_key=once)
assert again.status_code == 201 and again.headers["idempotent-replayed"] == "true", again
assert again.parsed == created, again

applied = create_application.sync(
    job.id, client=client, body=NewApplication(candidate_id=candidate), idempotency_key=str(uuid4())
)
assert isinstance(applied, ApplicationResponse), applied
assert applied.data.status == ApplicationStatus.NEW

stages = list_stages.sync(client=client)
assert isinstance(stages, StageList), stages
interview = next(stage for stage in stages.data if stage.kind == StageKind.INTERVIEW)
moved = move_candidate.sync(
    candidate, client=client, body=NewMove(stage_id=interview.id), idempotency_key=str(uuid4())
)
assert isinstance(moved, MovedResponse) and moved.data.changed, moved

rejected = create_job.sync_detailed(client=client, body=NewJob(title=""), idempotency_key=str(uuid4()))
assert rejected.status_code == 422 and isinstance(rejected.parsed, ErrorResponse), rejected
assert rejected.parsed.error.code == ErrorCode.VALIDATION_ERROR
assert rejected.parsed.error.details and rejected.parsed.error.details[0].code == ProblemCode.TOO_SHORT

missing = get_job.sync_detailed(candidate, client=client)
assert missing.status_code == 404 and isinstance(missing.parsed, ErrorResponse), missing
assert missing.parsed.error.code == ErrorCode.NOT_FOUND
assert missing.parsed.error.docs_url == f"{ORIGIN}/docs/errors#not_found"

print("the Python client works")
