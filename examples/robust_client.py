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
from pathlib import Path

import openai

HOUR, SHORTEST = 3_600.0, 15.0
SCALE = float(os.environ.get("POLL_INTERVAL", SHORTEST)) / SHORTEST
CLIENT = {"max_retries": 0, "timeout": 120.0}  # the SDK would repeat a create that was carried out
ENDS = {"completed", "failed", "expired", "cancelled"}
PASSING = {"token_limit_exceeded", "rate_limit_exceeded", "server_error", "request_timeout"}


def run(requests, state=os.environ.get("STATE_DIR", ".")):
    """By custom_id the answer, a text or a body, or the exception that stands for it."""
    client, steps, result = openai.OpenAI(**CLIENT), work(requests, state), None
    while True:
        try:
            step = steps.throw(result) if isinstance(result, Exception) else steps.send(result)
        except StopIteration as end:
            return end.value
        try:
            result = time.sleep(step * SCALE) if isinstance(step, float) else step(client)
        except openai.APIError as error:
            result = error


async def run_async(requests, state=os.environ.get("STATE_DIR", ".")):
    """The same on an event loop."""
    client, steps, result = openai.AsyncOpenAI(**CLIENT), work(requests, state), None
    while True:
        try:
            step = steps.throw(result) if isinstance(result, Exception) else steps.send(result)
        except StopIteration as end:
            return end.value
        try:
            pause = isinstance(step, float)
            result = await (asyncio.sleep(step * SCALE) if pause else step(client))
        except openai.APIError as error:
            result = error


def work(requests, directory):
    """Yields calls, and pauses in seconds; is sent the result of each, or thrown its error."""
    by_id = {request["custom_id"]: request for request in requests}
    if len(by_id) < len(requests):
        raise ValueError("Two requests have the same custom_id: their results would be mixed up.")
    name = hashlib.sha256(json.dumps(requests, allow_nan=False).encode()).hexdigest()[:16]
    path = Path(directory, f"batches-{name}.json").absolute()
    state = json.loads(path.read_text()) if path.exists() else {"jobs": {}, "results": {}}

    def save():
        path.with_suffix(".part").write_text(json.dumps(state))
        path.with_suffix(".part").replace(path)  # never half a file

    for attempt in range(8):
        results, groups = state["results"], {}
        for id_, request in by_id.items():
            if results.get(id_, {"again": True})["again"]:  # a batch has one endpoint and one model
                groups.setdefault((request["url"], request["body"].get("model")), []).append(id_)
        if attempt and groups:
            yield 300.0 * 2**attempt
        for number, ids in enumerate(groups.values()):
            key = f"{name}-{attempt}-{number}"
            yield from submitted(key, ids, by_id, state, save)
    failures = {id_: RuntimeError(result.get("error")) for id_, result in results.items()}
    return {id_: results[id_].get("answer", failures[id_]) for id_ in by_id}


def submitted(key, ids, by_id, state, save):
    """Take one batch through its life, and note the result of each line."""
    job = state["jobs"].setdefault(key, {"ids": ids})
    content = "".join(json.dumps(by_id[id_], allow_nan=False) + "\n" for id_ in ids).encode()
    file = f"{key}.jsonl", content, "application/jsonl"
    try:
        if "file" not in job:
            uploaded = yield from repeated(
                lambda client: client.files.create(file=file, purpose="batch"),
                find=lambda client, **page: client.files.list(purpose="batch", **page),
                is_mine=lambda found: (found.filename, found.bytes) == (file[0], len(content)),
                is_new=not job.get("begun"),
            )
            job["file"] = uploaded.id
            save()
    except openai.APIStatusError as error:
        if len(ids) == 1 or not (error.status_code == 413 or "too large" in str(error)):
            raise
        for part in (0, 1):
            half = ids[: len(ids) // 2] if part == 0 else ids[len(ids) // 2 :]
            yield from submitted(f"{key}{part}", half, by_id, state, save)
        return
    if "batch" not in job:
        is_new, job["begun"] = not job.get("begun"), True
        save()  # from here on there may be a batch
        params = {"input_file_id": job["file"], "endpoint": by_id[ids[0]]["url"]}
        created = yield from repeated(
            lambda client: client.batches.create(
                **params, completion_window="24h", metadata={"job": key}
            ),
            find=lambda client, **page: client.batches.list(**page),
            is_mine=lambda found: (
                found.input_file_id == job["file"] or (found.metadata or {}).get("job") == key
            ),
            is_new=is_new,
        )
        job["batch"] = created.id
        save()
    batch = yield from ended(job["batch"])
    for id_, result in (yield from collected(batch, ids)).items():
        tries = state["results"].get(id_, {"tries": 0})["tries"] + result["ran"]
        again = result["again"] and tries < 2  # a line is paid for twice at most
        state["results"][id_] = {**result, "again": again, "tries": tries}
    save()
    yield from tried(lambda client: client.files.delete(job["file"]))


def ended(id_):
    """A batch after its end, or as it was last seen; None if it is no longer found."""
    waited, pause, limit, looks = 0.0, SHORTEST, 26 * HOUR, 0
    while True:
        yield pause
        waited, pause = waited + pause, min(1.4 * pause, 600.0)
        try:
            batch = yield from repeated(lambda client: client.batches.retrieve(id_))
        except openai.NotFoundError:
            return None
        status = str(batch.status).lower()
        if status in ENDS and (file_ids(batch) or status == "failed" or looks == 5):
            return batch
        looks += status in ENDS  # the ids of the files may come later than the status
        if waited > limit and limit > 26 * HOUR:
            raise TimeoutError(f"{id_} is {batch.status!r} after {waited / HOUR:.0f} hours.")
        if waited > limit:
            limit += 2 * HOUR  # for the cancellation: what is done by now is kept
            yield from tried(lambda client: client.batches.cancel(id_))


def collected(batch, ids):
    """The result of each line, from both files, however the batch ended."""
    errors = [*(batch and batch.errors and batch.errors.data or ())]
    has_failed = batch is not None and str(batch.status).lower() == "failed"
    reason = "; ".join(f"{e.code}, line {e.line}: {e.message}" for e in errors)
    again = not has_failed or any(error.code in PASSING for error in errors)
    error = f"the batch failed: {reason}" if has_failed else "there is no result line"
    results = {id_: {"error": error, "again": again, "ran": not has_failed} for id_ in ids}
    names = {id_.strip().lower(): id_ for id_ in ids}
    for file_id in file_ids(batch):
        for row in (yield from downloaded(file_id)).split(b"\n"):  # splitlines() cuts at U+2028
            try:
                line = json.loads(row.decode("utf-8-sig"))
                id_ = names[str(line["custom_id"]).strip().lower()]
            except (ValueError, LookupError, TypeError):
                continue  # blank or broken: then a request has no result, which is noticed
            if "answer" not in results[id_]:  # of two results the success counts
                results[id_] = {**result_of(line), "ran": True}
    return results


def file_ids(batch):
    ids = (batch.output_file_id, batch.error_file_id) if batch else ()
    return [id_ for id_ in ids if isinstance(id_, str) and id_.strip()]


def downloaded(file_id):
    """The content of a file, downloaded again until it is whole."""
    size = (yield from repeated(lambda client: client.files.retrieve(file_id))).bytes
    for _ in range(5):
        content = (yield from repeated(lambda client: client.files.content(file_id))).content
        if len(content) == size:
            break
        yield 60.0
    return content


def result_of(line):
    """`{"answer": …, "again": False}`, or `{"error": …, "again": …}`."""
    response = a_dict(line.get("response"))
    body, status = a_dict(response.get("body")), response.get("status_code")
    error = line.get("error") or response.get("error") or body.get("error")
    if body and not error and (status is None or 200 <= status < 300):
        text, problem = text_of(body)
        return {"error": problem, "again": False} if problem else {"answer": text, "again": False}
    code = a_dict(error).get("code") or a_dict(error).get("type")
    passes = status in (0, 408, 409, 429) or (status or 0) >= 500 or not (error or body)
    passes = passes or code in PASSING or code == "batch_expired"
    problem = f"status {status}: {json.dumps(error)}"
    return {"error": problem, "again": passes and code != "insufficient_quota"}


def text_of(body):
    """The text of a body, or the body where there is none to be; and why it is no answer."""
    choices, output = body.get("choices"), body.get("output")
    if choices is None and output is None:
        return body, None
    parts = [part for item in output or () for part in a_list(item.get("content"))]
    texts = [part.get("text") for part in parts if part.get("type") == "output_text"]
    cut = a_dict(body.get("incomplete_details")).get("reason")
    for choice in choices or ():
        reason = choice.get("finish_reason")
        cut = cut or (reason if reason in ("length", "content_filter") else None)
        texts.append(a_dict(choice.get("message")).get("content", choice.get("text")))
    if cut or not texts or not isinstance(texts[-1], str) or not texts[-1].strip():
        return None, f"there is no whole text ({cut or 'refusal, tool call or null'})"
    return texts[-1], None  # a message that was cut off comes before the whole one


def a_dict(value):
    return value if isinstance(value, dict) else {}


def a_list(value):
    return value if isinstance(value, list) else []


def repeated(call, find=None, is_mine=None, is_new=True):
    """The result of a call. Errors that pass are waited out, for six hours.

    What a call creates is looked for before the call is made a second time.
    """
    waited, pause = 0.0, 5.0
    while True:
        problem, wait = TimeoutError("There are only pages of a proxy."), pause
        try:
            for found in () if is_new or find is None else (yield from listed(find)):
                if is_mine(found):
                    return found
            result = yield call
            if not isinstance(result, str) and getattr(result, "status", "") is not None:
                return result
        except openai.APIError as error:
            status, problem = getattr(error, "status_code", 0), error
            passes = status in (0, 408, 409, 429) or (status >= 500 and status != 501)
            is_fresh = status == 404 or (status == 400 and "file" in str(error))  # perhaps not yet
            is_final = error.code == "insufficient_quota" or "too large" in str(error)
            if is_final or not (passes or (is_fresh and waited < HOUR / 2)):
                raise
            after = error.response.headers.get("retry-after", "") if status else ""
            wait = max(pause, float(after) if after.isdigit() else 0.0)
        if waited > 6 * HOUR:
            raise problem
        yield wait
        waited, pause, is_new = waited + wait, min(2 * pause, 600.0), False


def listed(find):
    """All objects of a listing, whose pages may repeat themselves."""
    seen, after = {}, openai.omit
    for _ in range(100):
        page = yield lambda client: find(client, limit=100, after=after)
        new = [each for each in page.data if each.id not in seen]
        seen.update((each.id, each) for each in new)
        if not new or not page.has_more:
            break
        after = new[-1].id
    return seen.values()


def tried(call):
    """Make a call whose failure does not matter."""
    try:
        yield call
    except openai.APIError:
        pass


if __name__ == "__main__":
    requests = [json.loads(row) for row in Path(sys.argv[1]).read_bytes().split(b"\n") if row]
    with Path(sys.argv[2]).open("w", encoding="utf-8") as out:
        for id_, answer in run(requests).items():
            is_error = isinstance(answer, Exception)
            result = {"error": str(answer)} if is_error else {"answer": answer}
            out.write(json.dumps({"custom_id": id_, **result}) + "\n")
