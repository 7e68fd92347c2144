"""A client of the Batch API that survives what is known to go wrong: docs/robust-clients.md.

`python robust_client.py requests.jsonl answers.jsonl` can be killed and started again: what it has
submitted is in STATE_DIR, or here. POLL_INTERVAL is its shortest pause in seconds, by default 15.
"""

import asyncio
import hashlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import openai

HOUR, SHORTEST, LONGEST = 3_600.0, 15.0, 600.0
SCALE = float(os.environ.get("POLL_INTERVAL", SHORTEST)) / SHORTEST
PASSING = {0, 408, 409, 429, *range(500, 600)}  # statuses; 0 is no connection
NO_RESULT = {"error": "There is no result.", "again": True}


def run(requests, directory="."):
    """By custom_id the body of the response, or the exception that stands for it."""
    return asyncio.run(run_async(requests, directory))


async def run_async(requests, directory="."):
    async with openai.AsyncOpenAI(max_retries=0, timeout=120.0) as client:  # retries create twice
        return await Work(client, requests, directory).results()


class Work:
    """The requests, and what has become of them, which is on disk too."""

    def __init__(self, client, requests, directory):
        self.client = client
        self.requests = {request["custom_id"]: request for request in requests}
        if len(self.requests) < len(requests):
            raise ValueError("Two requests have the same custom_id: results would be mixed up.")
        self.name = hashlib.sha256(json.dumps(requests).encode()).hexdigest()[:16]
        self.path = Path(directory, f"batches-{self.name}.json")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        known = self.path.read_text() if self.path.exists() else None
        self.state = json.loads(known or '{"round": 0, "jobs": [], "results": {}}')

    def save(self):
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.state))
        part.replace(self.path)  # never half a file

    async def results(self):
        for number in range(8):
            jobs = self.state["jobs"] = self.state["jobs"] or self.new_jobs()
            await asyncio.sleep(300 * 2**number * SCALE if jobs and number else 0)
            await asyncio.gather(*map(self.batch, jobs))
        results = {id_: self.state["results"].get(id_, NO_RESULT) for id_ in self.requests}
        return {i: r.get("answer") or RuntimeError(r["error"]) for i, r in results.items()}

    def new_jobs(self):
        """A job for each batch that is needed: one for each endpoint and model."""
        jobs, results = {}, self.state["results"]
        self.state["round"] += 1
        for id_, request in self.requests.items():
            try:
                json.dumps(request, allow_nan=False)
            except ValueError as error:  # NaN would fail the whole batch
                results[id_] = {"error": str(error), "again": False}
            if results.get(id_, NO_RESULT)["again"]:
                name = f"{self.name}-{self.state['round']}-{len(jobs)}.jsonl"
                kind = request["url"], request["body"].get("model")
                jobs.setdefault(kind, {"name": name, "ids": []})["ids"].append(id_)
        return [*jobs.values()]

    async def batch(self, job):
        """Take a batch through its life, and note its results."""
        name, ids, jobs = job["name"], job["ids"], self.state["jobs"]
        content = "".join(json.dumps(self.requests[id_]) + "\n" for id_ in ids).encode()
        try:
            await self.create(job, "files", file=(name, content), purpose="batch")
        except openai.APIStatusError as error:
            if len(ids) == 1 or not (error.status_code == 413 or "too large" in str(error)):
                raise
            halves = [{"name": f"{i}-{name}", "ids": ids[i::2]} for i in (0, 1)]
            jobs[:] = [*halves, *(each for each in jobs if each != job)]
            await asyncio.gather(*map(self.batch, halves))
            return
        params = {"endpoint": self.requests[ids[0]]["url"], "completion_window": "24h"}
        await self.create(job, "batches", input_file_id=job["files"], **params)
        for id_, result in (await self.read(job)).items():
            again = result["again"] and id_ not in self.state["results"]  # no third time
            self.state["results"][id_] = {**result, "again": again}
        jobs.remove(job)
        self.save()
        with suppress(openai.APIError):
            await self.client.files.delete(job["files"])

    async def create(self, job, kind, **params):
        """Create a file or a batch once, even if the response is lost or the client is killed."""
        api, mark = getattr(self.client, kind), json.dumps(job.get("files") or job["name"])

        async def attempt():
            newest = (await api.list(limit=100)).data or []  # some have null
            made = [each for each in newest if mark in each.to_json()]  # in a field of it
            return made[0] if made else await api.create(**params)

        if not job.get(kind):
            job[kind] = (await repeated(attempt)).id
            self.save()

    async def ended(self, id_):
        """A batch after its end."""
        async for waited in pauses(30 * HOUR):
            batch = await repeated(lambda: self.client.batches.retrieve(id_))
            if batch.status.lower() in ("completed", "failed", "expired", "cancelled"):
                return batch
            if waited > 26 * HOUR:
                with suppress(openai.APIError):
                    await self.client.batches.cancel(id_)  # what is done is kept
        raise TimeoutError(f"{id_} has no end: {batch.to_json()}")

    async def read(self, job):
        """The result of each request, from both files, however the batch ended."""
        results = dict.fromkeys(job["ids"], NO_RESULT)
        try:
            batch = await self.ended(job["batches"])
        except openai.NotFoundError:  # it has disappeared
            return results
        if batch.status.lower() == "failed":
            why = batch.errors.to_json() if batch.errors else "no reason"
            failure = {"error": f"The batch failed: {why}", "again": "file" in why}
            return {} if "limit_exceeded" in why else dict.fromkeys(results, failure)
        for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):  # some have ""
            for row in (await self.content(file_id)).split(b"\n"):  # U+2028 is part of a line
                try:
                    line = json.loads(row)
                    id_ = str(line["custom_id"])
                    if "answer" not in results[id_]:  # of two results the success counts
                        results[id_] = result_of(line)
                except (ValueError, LookupError, TypeError, AttributeError):
                    continue  # a blank or a broken line: some request will have no result
        return results

    async def content(self, file_id):
        """The content of a file, downloaded again until it is whole."""
        file = await repeated(lambda: self.client.files.retrieve(file_id))
        async for _ in pauses(HOUR / 12):
            response = await repeated(lambda: self.client.files.content(file_id))
            if len(response.content) == file.bytes:
                break
        return response.content


def result_of(line):
    """The answer or the error of a line, and whether to submit its request again."""
    response = line.get("response") or {}
    status, body = response.get("status_code"), response.get("body") or {}
    body = json.loads(body) if isinstance(body, str) else body
    error = line.get("error") or body.get("error")
    ends = {body.get("status"), *(each.get("finish_reason") for each in body.get("choices") or ())}
    if ends & {"length", "content_filter", "incomplete"}:  # the text is not all of the answer
        error = {"code": "cut_off", "body": body}
    if body.keys() & {"choices", "output", "data"} and status in (200, None) and not error:
        return {"answer": body, "again": False}
    again = not error or status in PASSING or error.get("code") == "batch_expired"
    return {"error": f"status {status}: {json.dumps(error)}", "again": again}


async def repeated(attempt):
    """The result of a call. Errors that pass are waited out."""
    async for waited in pauses(6 * HOUR):
        try:
            result = await attempt()
            if not isinstance(result, str):  # the page of a proxy
                return result
        except openai.APIError as error:
            status = getattr(error, "status_code", 0)
            may_appear = status in (400, 404) and "file" in str(error) and waited < HOUR / 2
            if waited > 5 * HOUR or (status not in PASSING and not may_appear):
                raise
            after = error.response.headers.get("retry-after", "") if status else ""
            await asyncio.sleep(SCALE * int(after if after.isdecimal() else 0))
    raise TimeoutError("Only pages of a proxy came.")


async def pauses(total):
    """Pauses that grow, for so many seconds in all. Yields the seconds until now."""
    waited, pause = 0.0, SHORTEST
    while waited < total:
        yield waited
        await asyncio.sleep(pause * SCALE)
        waited, pause = waited + pause, min(1.4 * pause, LONGEST)


if __name__ == "__main__":
    rows = [json.loads(row) for row in Path(sys.argv[1]).read_bytes().split(b"\n") if row]
    with Path(sys.argv[2]).open("w") as out:
        for id_, answer in run(rows, os.environ.get("STATE_DIR", ".")).items():
            name = "error" if isinstance(answer, Exception) else "answer"
            out.write(json.dumps({"custom_id": id_, name: answer}, default=str) + "\n")
