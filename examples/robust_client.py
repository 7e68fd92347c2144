"""A client of the Batch API that survives what is known to go wrong: docs/robust-clients.md.

python robust_client.py requests.jsonl answers.jsonl

It can be killed at any moment and started again: what it has submitted is in STATE_DIR, by default
the working directory. POLL_INTERVAL is its shortest pause between polls in seconds, by default 15.
"""

import asyncio
import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import openai

HOUR, SHORTEST = 3_600.0, 15.0
SCALE = float(os.environ.get("POLL_INTERVAL", SHORTEST)) / SHORTEST
CLIENT = {"max_retries": 0, "timeout": 120.0}  # the SDK would repeat a create that was carried out
ENDS = {"completed", "failed", "expired", "cancelled"}
BUSY = {"rate_limit_exceeded", "server_error", "token_limit_exceeded"}


def run(requests, state="."):
    """By custom_id the answer, a text or a body, or the exception that stands for it."""
    client = openai.OpenAI(**CLIENT)

    async def do(step):  # it never suspends, so that the coroutine below runs to its end at once
        return time.sleep(step * SCALE) if isinstance(step, float) else step(client)

    try:
        Work(requests, state, do).results().send(None)
    except StopIteration as end:
        return end.value


async def run_async(requests, state="."):
    """The same on an event loop."""
    client = openai.AsyncOpenAI(**CLIENT)

    async def do(step):
        return await (asyncio.sleep(step * SCALE) if isinstance(step, float) else step(client))

    return await Work(requests, state, do).results()


class Work:
    """The requests, what is known of them on disk, and `do`, which makes a call or a pause."""

    def __init__(self, requests, directory, do):
        self.by_id, self.do = {request["custom_id"]: request for request in requests}, do
        if len(self.by_id) < len(requests):
            raise ValueError("Two requests have the same custom_id: results would be mixed up.")
        text = json.dumps(requests, allow_nan=False).encode()  # NaN would fail a whole batch
        self.name = hashlib.sha256(text).hexdigest()[:16]
        self.path = Path(directory, f"batches-{self.name}.json").absolute()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        known = self.path.read_text() if self.path.exists() else '{"jobs": {}, "results": {}}'
        self.state = json.loads(known)

    def save(self):
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.state))
        part.replace(self.path)  # never half a file

    async def results(self):
        done = self.state["results"]
        for attempt in range(8):
            groups = {}
            for id_ in [i for i in self.by_id if done.get(i, {"again": True})["again"]]:
                kind = self.by_id[id_]["url"], self.by_id[id_]["body"].get("model")
                groups.setdefault(kind, []).append(id_)  # a batch has one of each
            if attempt and groups:
                await self.do(300.0 * 2**attempt)
            for number, ids in enumerate(groups.values()):
                await self.batch(f"{self.name}-{attempt}-{number}", ids)
        done = {id_: done.get(id_, {"error": "There was no room."}) for id_ in self.by_id}
        return {i: r.get("answer") or RuntimeError(r["error"]) for i, r in done.items()}

    async def batch(self, key, ids):
        """Take a batch of these requests through its life, and note their results."""
        job = self.state["jobs"].setdefault(key, {"ids": ids, "begun": []})
        if "done" in job:  # before the client was started again
            return
        lines = "".join(json.dumps(self.by_id[id_]) + "\n" for id_ in job["ids"]).encode()
        file = f"{key}.jsonl", lines, "application/jsonl"
        params = {"endpoint": self.by_id[ids[0]]["url"], "completion_window": "24h"}
        try:
            await self.create(job, "files", file=file, purpose="batch")
        except openai.APIStatusError as error:
            if len(ids) == 1 or not (error.status_code == 413 or "too large" in str(error)):
                raise
            for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
                await self.batch(f"{key}-{half[0]}", half)
            return
        file_id = job["files"]
        await self.create(job, "batches", **params, input_file_id=file_id, metadata={"job": key})
        results = await self.read(await self.ended(job["batches"]), job["ids"])
        for id_ in results.keys() & self.state["results"].keys():
            results[id_]["again"] = False  # no line is paid for three times
        self.state["results"].update(results)
        job["done"] = True
        self.save()
        with suppress(openai.APIError):
            await self.do(lambda client: client.files.delete(file_id))

    async def ended(self, id_):
        """A batch after its end; None if it is no longer found."""
        waited, pause, limit, looks = 0.0, SHORTEST, 26 * HOUR, 0
        while waited < 30 * HOUR:
            await self.do(pause)
            waited, pause = waited + pause, min(1.4 * pause, 600.0)
            try:
                batch = await self.repeated(lambda client: client.batches.retrieve(id_))
            except openai.NotFoundError:
                return None
            status = str(batch.status).lower()
            has_files = batch.output_file_id or batch.error_file_id
            if status in ENDS and (has_files or status == "failed" or looks == 5):
                return batch
            looks += status in ENDS  # the ids of the files may come after the end
            if waited > limit:  # what is done by then is kept
                limit = 30 * HOUR
                with suppress(openai.APIError):
                    await self.do(lambda client: client.batches.cancel(id_))
        raise TimeoutError(f"{id_} is {batch.status!r} after {waited / HOUR:.0f} hours.")

    async def read(self, batch, ids):
        """The result of each request, from both files, however the batch ended."""
        errors = [*((batch and batch.errors and batch.errors.data) or ())]
        failed = batch is not None and str(batch.status).lower() == "failed"
        why = "; ".join(f"{e.code}, line {e.line}: {e.message}" for e in errors) or "no reason"
        if any(error.code in BUSY for error in errors):
            return {}  # none of them has run: later
        lost = {"again": not failed or "file" in why}
        lost["error"] = f"The batch failed: {why}" if failed else "There is no result line."
        results = {id_: {**lost} for id_ in ids}
        names = {id_.strip().lower(): id_ for id_ in ids}
        for file_id in (batch.output_file_id, batch.error_file_id) if batch else ():
            is_id = isinstance(file_id, str) and file_id.strip()  # some have "" or {} for none
            content = await self.downloaded(file_id) if is_id else b""
            for row in content.split(b"\n"):  # splitlines() cuts texts at U+2028
                try:
                    line = json.loads(row.decode("utf-8-sig"))
                    id_ = names[str(line["custom_id"]).strip().lower()]
                except (ValueError, LookupError, TypeError):
                    continue  # a blank or a broken line: some request will have no result
                if "answer" not in results[id_]:  # of two results the success counts
                    results[id_] = result_of(line)
        return results

    async def downloaded(self, file_id):
        """The content of a file, downloaded again until it is whole."""
        file = await self.repeated(lambda client: client.files.retrieve(file_id))
        for _ in range(5):
            response = await self.repeated(lambda client: client.files.content(file_id))
            if len(response.content) == file.bytes:
                break
            await self.do(60.0)
        return response.content

    async def create(self, job, kind, **params):
        """Note the id of a new file or batch, which must not be made twice."""
        if kind in job:
            return

        async def look():
            seen, after = {}, {}
            while True:
                page = await self.do(lambda c: getattr(c, kind).list(limit=100, **after))
                new = {each.id: each for each in page.data if each.id not in seen}
                seen |= new
                if not new or not page.has_more:  # some servers send the same page for ever
                    return next((each for each in seen.values() if is_made_by(params, each)), None)
                after = {"after": page.data[-1].id}

        looks = kind in job["begun"]  # it may be there, if the client died within the call
        job["begun"].append(kind)
        self.save()
        made = await self.repeated(lambda c: getattr(c, kind).create(**params), look, looks)
        job[kind] = made.id
        self.save()

    async def repeated(self, call, look=None, looks=False):
        """The result of a call, or what it made before. Errors that pass are waited out."""
        waited, pause, problem = 0.0, 5.0, TimeoutError("Only pages of a proxy came.")
        while waited < 6 * HOUR:
            wait = pause
            try:
                result = (await look() if looks else None) or await self.do(call)
                if not isinstance(result, str) and getattr(result, "id", "") is not None:
                    return result
            except openai.APIError as error:
                problem, status = error, getattr(error, "status_code", 0)
                passes = status in (0, 408, 409, 429) or (status >= 500 and status != 501)
                about_file = status == 404 or (status == 400 and "file" in str(error))
                passes |= about_file and waited < HOUR / 2  # it is perhaps not visible yet
                if not passes or error.code == "insufficient_quota" or "too large" in str(error):
                    raise
                after = error.response.headers.get("retry-after", "") if status else ""
                wait = max(pause, float(after) if after.isdigit() else 0.0)
            await self.do(wait)
            waited, pause, looks = waited + wait, min(2 * pause, 600.0), look is not None
        raise problem


def result_of(line):
    """`{"answer": …, "again": False}`, or `{"error": …, "again": …}`."""
    response = a_dict(line.get("response"))
    body, status = a_dict(response.get("body")), response.get("status_code")
    error = line.get("error") or response.get("error") or body.get("error")
    is_answer = body.keys() & {"choices", "output", "data"} and not error
    if is_answer and 200 <= (200 if status is None else status) < 300:
        answer = body if "data" in body else text_of(body)
        failure = {"error": f"There is no whole text: {json.dumps(body)}", "again": False}
        return failure if answer is None else {"answer": answer, "again": False}
    code = a_dict(error).get("code") or a_dict(error).get("type")
    again = status in (0, 408, 409, 429) or (status or 0) >= 500 or not error
    again |= code in {"batch_expired", "request_timeout", *BUSY}
    again &= code != "insufficient_quota"
    return {"error": f"status {status}: {json.dumps(error)}", "again": again}


def text_of(body):
    """The text of a whole answer; None if it was cut off, refused, or is empty."""
    choice = (body.get("choices") or [{}])[0]
    parts = [part for item in body.get("output") or () for part in item.get("content") or ()]
    texts = [part["text"] for part in parts if part.get("type") == "output_text"]
    texts += [a_dict(choice.get("message")).get("content", choice.get("text"))]
    text = next((text for text in reversed(texts) if isinstance(text, str)), "")
    cut = choice.get("finish_reason") in ("length", "content_filter")
    is_whole = text.strip() and not cut and not body.get("incomplete_details")
    return text if is_whole else None  # of several, the last is whole


def is_made_by(params, each):
    if "file" in params:
        return (each.filename, each.bytes) == (params["file"][0], len(params["file"][1]))
    return each.input_file_id == params["input_file_id"] or each.metadata == params["metadata"]


def a_dict(value):
    with suppress(ValueError):  # a body may be a string that holds JSON
        value = json.loads(value) if isinstance(value, str) else value
    return value if isinstance(value, dict) else {}


if __name__ == "__main__":
    rows = [json.loads(row) for row in Path(sys.argv[1]).read_bytes().split(b"\n") if row]
    with Path(sys.argv[2]).open("w") as out:
        for id_, answer in run(rows, os.environ.get("STATE_DIR", ".")).items():
            name = "error" if isinstance(answer, Exception) else "answer"
            out.write(json.dumps({"custom_id": id_, name: answer}, default=str) + "\n")
