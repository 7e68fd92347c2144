"""The contract as a table: calls that cost nothing, and what the service says to them.

The same table runs against the emulator and, on demand, against the real API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import openai

from support.client import Driver, chat, jsonl

GOOD = ("in.jsonl", jsonl([chat("a")]))
CHAT: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
NOWHERE = "file-1111111111111111111111"
NO_BATCH = "batch_00000000000081908000000000000000"

Observed = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """Calls to make, and what is observed then."""

    ask: Callable[[Driver], Observed]
    expected: Observed


def observed(do: Driver, call: str, *args: Any, **kwargs: Any) -> Observed:
    """The status and the JSON of one call; what differs from run to run is masked."""
    client = do.client.with_options(max_retries=0)
    method, _, name = call.rpartition(".")
    asked = attrgetter(f"{method}.with_raw_response.{name}")(client)
    try:
        answer = do(asked, *args, **kwargs)
    except openai.APIStatusError as error:
        return {"http": error.status_code, "body": masked(error.response.json())}
    return {"http": answer.status_code, "body": masked(json.loads(answer.content))}


MASKS = {
    r"\bfile-[1-9A-HJ-NP-Za-km-z]{22}\b": "<file>",
    r"\bbatch_[0-9a-f]{32}\b": "<batch>",
    r"\borg-\w+": "<organization>",
}


def masked(value: Any, key: str = "") -> Any:
    """The same JSON without ids and moments."""
    if isinstance(value, dict):
        return {name: masked(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, int) and key.endswith("_at"):
        return "<time>"
    if isinstance(value, str):
        for pattern, mask in MASKS.items():
            value = re.sub(pattern, mask, value)
    return value


def refused(status: int, message: str, param: str | None = None, code: str | None = None) -> Any:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return {"http": status, "body": {"error": error}}


def refused_file(status: int, message: str, param: str | None = None) -> Any:
    said = refused(status, message, param)
    detail = {"message": message, "code": None}
    return {**said, "body": {**said["body"], "detail": detail}}


def _call(name: str, *args: Any, **kwargs: Any) -> Callable[[Driver], Observed]:
    return lambda do: observed(do, name, *args, **kwargs)


def _uploaded(then: Callable[[Driver, str], Observed]) -> Callable[[Driver], Observed]:
    """Upload a good file, go on with its id, and clear up."""

    def ask(do: Driver) -> Observed:
        id_ = do(do.client.files.create, file=GOOD, purpose="batch").id
        try:
            return then(do, id_)
        finally:
            do(do.client.files.delete, id_)

    return ask


def _created(then: Callable[[Driver, str], Observed]) -> Callable[[Driver], Observed]:
    """Create a batch, go on with its id, and see to it that it is cancelled."""

    def ask(do: Driver, file: str) -> Observed:
        id_ = do(do.client.batches.create, input_file_id=file, **CHAT).id
        try:
            return then(do, id_)
        finally:
            do(do.client.batches.cancel, id_)

    return _uploaded(ask)


def _deleted(do: Driver, id_: str) -> Observed:
    extra = do(do.client.files.create, file=GOOD, purpose="batch").id
    do(do.client.files.delete, extra)
    return observed(do, "files.retrieve", extra)


def _bad(**changed: Any) -> Callable[[Driver], Observed]:
    asked = {"input_file_id": NOWHERE, **CHAT, **changed}
    return lambda do: observed(do, "batches.create", **asked)


NO_FILE = refused_file(404, "No such File object: <file>", "id")
NOT_JSONL = refused_file(400, "Invalid file format for Batch API. Must be .jsonl")
UNKNOWN_BATCH = refused(404, "No batch found with id '<batch>'.")

FILE: Mapping[str, Any] = {
    "object": "file",
    "id": "<file>",
    "purpose": "batch",
    "filename": "in.jsonl",
    "bytes": len(GOOD[1]),
    "created_at": "<time>",
    "expires_at": "<time>",
    "status": "processed",
    "status_details": None,
}

BATCH: Mapping[str, Any] = {
    "id": "<batch>",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "model": None,
    "errors": None,
    "input_file_id": "<file>",
    "completion_window": "24h",
    "status": "validating",
    "output_file_id": None,
    "error_file_id": None,
    "created_at": "<time>",
    "in_progress_at": None,
    "expires_at": "<time>",
    "finalizing_at": None,
    "completed_at": None,
    "failed_at": None,
    "expired_at": None,
    "cancelling_at": None,
    "cancelled_at": None,
    "request_counts": {"total": 0, "completed": 0, "failed": 0},
    "usage": {
        "input_tokens": 0,
        "output_tokens": 0,
        "total_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    },
    "metadata": None,
}

CASES: dict[str, Case] = {
    "a file": Case(
        _uploaded(lambda do, id_: observed(do, "files.retrieve", id_)), {"http": 200, "body": FILE}
    ),
    "a deleted file": Case(_uploaded(_deleted), NO_FILE),
    "an unknown file": Case(_call("files.retrieve", NOWHERE), NO_FILE),
    "the deletion of an unknown file": Case(_call("files.delete", NOWHERE), NO_FILE),
    "the content of an unknown file": Case(_call("files.content", NOWHERE), NO_FILE),
    "an upload for no purpose": Case(
        _call("files.create", file=GOOD, purpose="world_domination"),
        refused_file(
            400,
            "'world_domination' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', "
            "'vision', 'evals'] - 'purpose'",
            "purpose",
        ),
    ),
    "an empty upload": Case(
        _call("files.create", file=("in.jsonl", b""), purpose="batch"), NOT_JSONL
    ),
    "an upload whose first line is broken": Case(
        _call("files.create", file=("in.jsonl", b"{malformed json\n"), purpose="batch"), NOT_JSONL
    ),
    "an order that is none": Case(
        _call("files.list", order="sideways"), refused_file(400, "order must be asc or desc.")
    ),
    "a batch": Case(
        _created(lambda do, id_: observed(do, "batches.retrieve", id_)),
        {"http": 200, "body": BATCH},
    ),
    "a batch that is cancelled": Case(
        _created(lambda do, id_: observed(do, "batches.cancel", id_)),
        {"http": 200, "body": {**BATCH, "status": "cancelling", "cancelling_at": "<time>"}},
    ),
    "an unknown batch": Case(_call("batches.retrieve", NO_BATCH), UNKNOWN_BATCH),
    "the cancel of an unknown batch": Case(_call("batches.cancel", NO_BATCH), UNKNOWN_BATCH),
    "a page after an unknown batch": Case(_call("batches.list", after=NO_BATCH), UNKNOWN_BATCH),
    "a page of less than none": Case(
        _call("batches.list", limit=-1),
        refused(
            400,
            "Invalid 'limit': integer below minimum value. Expected a value >= 0, but got -1 "
            "instead.",
            "limit",
            "integer_below_min_value",
        ),
    ),
    "a page too long": Case(
        _call("batches.list", limit=101),
        refused(
            400,
            "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 "
            "instead.",
            "limit",
            "integer_above_max_value",
        ),
    ),
    "a window that is none": Case(
        _bad(completion_window="1h"),
        refused(
            400,
            "Invalid value: '1h'. Supported values are: '24h'.",
            "completion_window",
            "invalid_value",
        ),
    ),
    "an endpoint that is none": Case(
        _bad(endpoint="/v1/invalid/endpoint"),
        refused(
            400,
            "Invalid value: '/v1/invalid/endpoint'. Supported values are: '/v1/chat/completions', "
            "'/v1/completions', '/v1/embeddings', '/v1/responses', '/v1/moderations', "
            "'/v1/images/generations', '/v1/images/edits', and '/v1/videos'.",
            "endpoint",
            "invalid_value",
        ),
    ),
    "metadata that is no text": Case(
        _bad(metadata={"tags": ["a"]}),
        refused(
            400,
            "Invalid type for 'metadata.tags': expected a string, but got an array instead.",
            "metadata.tags",
            "invalid_type",
        ),
    ),
    "a create without input file": Case(
        _bad(extra_body={"input_file_id": None}),
        refused(
            400,
            "Missing required parameter: 'input_file_id'.",
            "input_file_id",
            "missing_required_parameter",
        ),
    ),
}
