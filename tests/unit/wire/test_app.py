from __future__ import annotations

import json
import re
from itertools import count
from typing import Any

import pytest

from fakebatch.dialects import OPENAI
from fakebatch.durations import SECOND
from fakebatch.service import Service
from fakebatch.wire import Request
from fakebatch.wire.app import App, Handled
from fakebatch.wire.operations import OPERATIONS, route
from support.batches import T0, requests
from support.calling import BATCH, FORM, app, call, form, upload
from support.refusals import Words, missing

ROUTES = {operation.name: operation for operation in OPERATIONS}


@pytest.mark.parametrize("name", ROUTES)
def test_every_operation_has_its_route(name: str) -> None:
    """A request goes to the operation of its method and path; ids are taken out of the path."""
    operation = ROUTES[name]
    path = re.sub(r"{\w+}", "x-1", operation.path)
    wanted = "" if path == operation.path else "x-1"
    assert (operation, wanted) == route(operation.method, path)


def test_a_request_shows_no_key() -> None:
    """Neither in a report of pytest nor in a log."""
    request = Request("GET", "/files", {"key": "sk-secret"}, {"api-key": "sk-secret"})
    assert repr(request) == str(request) == "<Request GET /files>"


def test_operations_are_named_once() -> None:
    """No name, and no route, stands in the table twice."""
    assert len({(one.method, one.path) for one in OPERATIONS}) == len(ROUTES) == len(OPERATIONS)


ODD_PATHS = {
    "a slash at the end is an empty id": ("GET", "/files/", "files.retrieve", ""),
    "an id may look like anything": ("GET", "/files/%20 ü", "files.retrieve", "%20 ü"),
    "an id is one segment": ("GET", "/files/a/b", None, ""),
    "an id may have an encoded slash": ("GET", "/files/a%2Fb/content", "files.content", "a/b"),
    "a model may have a slash": ("GET", "/models/a/b", "models.retrieve", "a/b"),
    "a model may have slashes of both kinds": (
        "GET",
        "/models/a%2Fb/c",
        "models.retrieve",
        "a/b/c",
    ),
    "braces are an id": ("GET", "/files/{id}", "files.retrieve", "{id}"),
    "two slashes are another path": ("GET", "//files", None, ""),
    "nothing below": ("GET", "/files/a/content/b", None, ""),
    "case matters": ("GET", "/Files", None, ""),
    "a method in small letters is another": ("get", "/files", None, ""),
    "no path": ("GET", "", None, ""),
}


@pytest.mark.parametrize(("method", "path", "name", "id_"), ODD_PATHS.values(), ids=ODD_PATHS)
def test_an_odd_path_has_a_route_or_none(
    method: str, path: str, name: str | None, id_: str
) -> None:
    """A path is compared as it came, segment by segment; a model may be several."""
    operation, found = route(method, path)
    assert (name, id_) == (operation and operation.name, found)


LOOK_AND_CANCEL = (("GET", ""), ("POST", "/cancel"))


def test_operations_work_as_they_are_routed() -> None:
    """Upload, create, look, list, download, cancel and delete all find what came before."""
    of = app()
    file = upload(of, requests(2))
    batch = json.loads(call(of, "POST", "/batches", {**BATCH, "input_file_id": file["id"]}).body)
    answers = [
        *(call(of, "GET", path) for path in ("/files", "/batches", "/models")),
        *(call(of, "GET", f"/files/{file['id']}{end}") for end in ("", "/content")),
        *(call(of, method, f"/batches/{batch['id']}{end}") for method, end in LOOK_AND_CANCEL),
        call(of, "DELETE", f"/files/{file['id']}"),
    ]
    assert [answer.status for answer in answers] == [200] * 8
    assert requests(2) == answers[4].body


def words(status: int, message: str, param: str | None = None, code: str | None = None) -> Words:
    return status, message, param, code


NO_BATCH = words(404, "No batch found with id 'batch_x'.")
NO_FILE = words(404, "No such File object: file-x", "id")
NO_MODEL = words(
    404,
    "The model 'no model' does not exist or you do not have access to it.",
    "model",
    "model_not_found",
)
OTHER_METHOD = words(
    405,
    "Not allowed to PUT on /v1/batches/a/cancel (HINT: Perhaps you meant to use a different HTTP "
    "method?)",
)
BAD_PURPOSE = words(
    400,
    "'world_domination' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', "
    "'evals'] - 'purpose'",
    "purpose",
)
NOT_JSONL = words(400, "Invalid file format for Batch API. Must be .jsonl")

REFUSALS: dict[str, tuple[str, str, Any, Words]] = {
    "an unknown path": ("GET", "/nowhere", b"", words(404, "Invalid URL (GET /v1/nowhere)")),
    "nothing below a batch but cancel": (
        "GET",
        "/batches/a/b",
        b"",
        words(404, "Invalid URL (GET /v1/batches/a/b)"),
    ),
    "a method that is none of a route": ("PUT", "/batches/a/cancel", b"", OTHER_METHOD),
    "an unknown batch": ("GET", "/batches/batch_x", b"", NO_BATCH),
    "an unknown batch to cancel": ("POST", "/batches/batch_x/cancel", b"", NO_BATCH),
    "a page after an unknown batch": ("GET", "/batches?after=batch_x", b"", NO_BATCH),
    "a parameter that is missing": ("POST", "/batches", {}, missing("input_file_id")),
    "a direct call without model": (
        "POST",
        "/chat/completions",
        {"messages": []},
        words(400, "you must provide a model parameter"),
    ),
    "a direct call without messages": (
        "POST",
        "/chat/completions",
        {"model": "gpt-5-nano"},
        missing("messages"),
    ),
    "a model that cannot be": ("GET", "/models/no model", b"", NO_MODEL),
}


@pytest.mark.parametrize(("method", "path", "body", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_an_error_envelope(method: str, path: str, body: Any, expected: Words) -> None:
    """Message, type, param and code, in this order, and nothing beside them."""
    answer = call(app(), method, path, body)
    status, message, param, code = expected
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    assert status == answer.status
    assert json.dumps({"error": error}, indent=2) + "\n" == answer.body.decode()


FILE_REFUSALS: dict[str, tuple[str, str, bytes, Words]] = {
    "an unknown file": ("GET", "/files/file-x", b"", NO_FILE),
    "an unknown file to delete": ("DELETE", "/files/file-x", b"", NO_FILE),
    "an unknown file to download": ("GET", "/files/file-x/content", b"", NO_FILE),
    "a page after an unknown file": ("GET", "/files?after=file-x", b"", NO_FILE),
    "another order": (
        "GET",
        "/files?order=bad",
        b"",
        words(400, "order must be asc or desc."),
    ),
    "no file": (
        "POST",
        "/files",
        form().replace(b'"file"', b'"other"'),
        missing("file"),
    ),
    "no purpose": ("POST", "/files", form(), missing("purpose")),
    "another purpose": ("POST", "/files", form(purpose="world_domination"), BAD_PURPOSE),
    "an empty file": ("POST", "/files", form(b"", purpose="batch"), NOT_JSONL),
    "a broken first line": ("POST", "/files", form(b"{malformed", purpose="batch"), NOT_JSONL),
}


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"), FILE_REFUSALS.values(), ids=FILE_REFUSALS
)
def test_a_refusal_of_files_has_a_detail(
    method: str, path: str, body: bytes, expected: Words
) -> None:
    """Routes of files repeat message and code in a `detail` beside the error."""
    answer = call(app(), method, path, body, headers=FORM)
    status, message, param, code = expected
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    assert status == answer.status
    assert {"error": error, "detail": {"message": message, "code": code}} == json.loads(answer.body)


def test_a_call_happens_at_one_moment() -> None:
    """What it makes, and the note of it, have the same moment: the clock is read once."""
    ticks, noted = count(T0, SECOND), list[Handled]()
    app = App(
        Service(OPENAI, seed=b"0"),
        clock=lambda: next(ticks),
        api_keys=None,
        observers=[noted.append],
    )
    file = upload(app)

    assert [handled.at for handled in noted] == [file["created_at"] * SECOND]
    assert next(ticks) == noted[0].at + SECOND
