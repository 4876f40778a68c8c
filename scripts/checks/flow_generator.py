"""A day's work with the Python client that openapi-generator generates from openapi.json: list all jobs, create a candidate, apply,
move, update, and get a 422 and a 404 with typed errors.

Usage: flow_generator.py ORIGIN KEY WRITER, where WRITER is a key with only the jobs:write scope
"""

import sys
from uuid import uuid4

from headhonta_generator import (
    ApiClient,
    ApplicationPatch,
    ApplicationStatus,
    ApplicationsApi,
    CandidatePatch,
    CandidatesApi,
    Configuration,
    ErrorCode,
    JobPatch,
    JobStatus,
    JobsApi,
    NewApplication,
    NewCandidate,
    NewJob,
    NewMove,
    PipelineApi,
    ProblemCode,
    StageKind,
    UsageApi,
)
from headhonta_generator.exceptions import NotFoundException, UnprocessableEntityException

ORIGIN, KEY, WRITER = sys.argv[1:]
# The idempotency key of a write. Each has its own.
once = lambda: {"idempotency_key": str(uuid4())}
client = ApiClient(Configuration(host=ORIGIN, api_key={"ApiKey": KEY}))
jobs_api, candidates_api, applications_api = JobsApi(client), CandidatesApi(client), ApplicationsApi(client)
pipeline_api = PipelineApi(client)


def all_jobs():
    cursor = None
    while True:
        page = jobs_api.list_jobs(limit=25, cursor=cursor)
        yield from page.data
        cursor = page.pagination.next_cursor
        if cursor is None:
            return


jobs = list(all_jobs())
assert len({job.id for job in jobs}) == 60, len(jobs)
job = next(job for job in jobs if job.status == JobStatus.OPEN)

new = NewCandidate(first_name="Genna", last_name="Rator", email="genna.rator@example.com", skills=["Java"])
created = candidates_api.create_candidate_with_http_info(new, **once())
candidate = created.data.data
assert created.status_code == 201 and candidate.phone is None and candidate.email == new.email, created
assert created.headers["location"] == f"{ORIGIN}/api/v1/candidates/{candidate.id}", created.headers
found = candidates_api.list_candidates(email=new.email).data
assert [one.id for one in found] == [candidate.id], found
updated = candidates_api.update_candidate(candidate.id, CandidatePatch(headline="Makes clients", tags=None), **once()).data
assert (updated.headline, updated.tags, updated.skills) == ("Makes clients", [], ["Java"]), updated

applied = applications_api.create_application(job.id, NewApplication(candidate_id=candidate.id), **once()).data
assert applied.status == ApplicationStatus.NEW, applied
shortlisted = ApplicationPatch(status=ApplicationStatus.SHORTLISTED)
decided = applications_api.update_application(job.id, applied.id, shortlisted, **once())
assert decided.data.status == ApplicationStatus.SHORTLISTED, decided

interview = next(stage for stage in pipeline_api.list_stages().data if stage.kind == StageKind.INTERVIEW)
assert pipeline_api.move_candidate(candidate.id, NewMove(stage_id=interview.id), **once()).data.changed
assert candidate.id in [one.candidate_id for one in pipeline_api.list_positions(interview.id).data]

usage = UsageApi(client).get_usage().data
assert usage.burst.limit == 60 and usage.burst.used > 0 and usage.month.limit is None, usage

# Write does not imply read.
writer = JobsApi(ApiClient(Configuration(host=ORIGIN, api_key={"ApiKey": WRITER})))
unread = writer.update_job_with_http_info(job.id, JobPatch(openings=7), **once())
assert (unread.status_code, unread.data) == (204, None), unread
assert unread.headers["etag"] == f'"{job.version + 1}"' and jobs_api.get_job(job.id).data.openings == 7, unread

try:
    jobs_api.create_job(NewJob.model_construct(title=""), **once())
    raise AssertionError("an empty title was accepted")
except UnprocessableEntityException as rejected:
    error = rejected.data.error
    assert (error.code, error.details[0].code) == (ErrorCode.VALIDATION_ERROR, ProblemCode.TOO_SHORT), error

try:
    jobs_api.get_job(candidate.id)
    raise AssertionError("a candidate's id worked as a job's id")
except NotFoundException as missing:
    assert missing.data.error.code == ErrorCode.NOT_FOUND, missing.data
    assert missing.data.error.docs_url == f"{ORIGIN}/docs/errors#not_found", missing.data

print("openapi-generator's Python client works")
