// A day's work with the client that openapi-typescript generates from openapi.json: list all jobs, create a candidate, apply, move,
// and get a 422 and a 404 with typed errors. Usage: node flow.js ORIGIN KEY
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/api.js";

declare const process: { argv: string[] };
const [, , origin, key] = process.argv as [string, string, string, string];

type Job = components["schemas"]["Job"];
type ErrorCode = components["schemas"]["ErrorCode"];

const client = createClient<paths>({ baseUrl: origin, headers: { "X-API-Key": key } });

function expect(what: string, given: unknown, wanted: unknown): void {
  if (given !== wanted) throw new Error(`${what} is ${JSON.stringify(given)}, not ${JSON.stringify(wanted)}`);
}

async function* allJobs(): AsyncGenerator<Job> {
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = cursor === null ? { limit: 25 } : { limit: 25, cursor };
    const { data, error } = await client.GET("/api/v1/jobs", { params: { query } });
    if (error) throw new Error(error.error.message);
    yield* data.data;
    cursor = data.pagination.nextCursor;
  } while (cursor !== null);
}

const jobs: Job[] = [];
for await (const job of allJobs()) jobs.push(job);
expect("the number of jobs", new Set(jobs.map((job) => job.id)).size, 60);
const open = jobs.find((job) => job.status === "open");
if (!open) throw new Error("no job is open");

// Every write has an idempotency key: `once()` makes a new one.
const once = () => ({ "Idempotency-Key": crypto.randomUUID() });

const person = {
  params: { header: once() },
  body: { firstName: "Tess", lastName: "Script", email: "tess.script@example.com", skills: ["TypeScript"] },
};
const created = await client.POST("/api/v1/candidates", person);
if (created.error) throw new Error(created.error.error.message);
const candidate = created.data.data;
expect("a missing value", candidate.phone, null);

// As after a lost response: the candidate is not created twice.
const again = await client.POST("/api/v1/candidates", person);
expect("the header of a replay", again.response.headers.get("Idempotent-Replayed"), "true");
expect("the candidate", again.data?.data.id, candidate.id);

const applied = await client.POST("/api/v1/jobs/{jobId}/applications", {
  params: { path: { jobId: open.id }, header: once() },
  body: { candidateId: candidate.id },
});
expect("the application's status", applied.data?.data.status, "new");

const stages = await client.GET("/api/v1/pipeline/stages");
const next = stages.data?.data.find((stage) => stage.kind === "interview");
if (!next) throw new Error("no stage for interviews");
const moved = await client.PUT("/api/v1/pipeline/candidates/{id}/move", {
  params: { path: { id: candidate.id }, header: once() },
  body: { stageId: next.id },
});
expect("whether they were moved", moved.data?.data.changed, true);

// @ts-expect-error: a status that does not exist.
const rejected = await client.POST("/api/v1/jobs", { params: { header: once() }, body: { title: "", status: "opened" } });
expect("the status", rejected.response.status, 422);
const wrong: ErrorCode | undefined = rejected.error?.error.code;
expect("the code", wrong, "validation_error");
expect("the wrong fields", rejected.error?.error.details?.map((detail) => `${detail.field}: ${detail.code}`).join(), "title: too_short,status: invalid_value");

const missing = await client.GET("/api/v1/jobs/{id}", { params: { path: { id: candidate.id } } });
expect("the status", missing.response.status, 404);
expect("the code", missing.error?.error.code, "not_found");
expect("where it is explained", missing.error?.error.docsUrl, `${origin}/docs/errors#not_found`);

console.log("the TypeScript client works");
