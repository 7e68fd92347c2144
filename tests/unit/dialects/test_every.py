"""The contract of every provider: one table of expectations, derived from its data."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any, get_args

import httpx
import openai
import pytest

from fakebatch import FakeBatch
from fakebatch.dialects import DIALECTS, Dialect, ErrorKind, Listing, Shapes
from support.client import Driver, chat, jsonl
from support.providers import EVERY, create, keys, line, pattern, results, run, upload

pytestmark = pytest.mark.sync


@EVERY
def test_a_batch_runs_from_upload_to_results(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """The OpenAI SDK takes a batch through its life; each line comes back once."""
    fakebatch.schedule(validating="1m", in_progress="1m", finalizing="1m")
    seen = do.poll(create(do, fakebatch, line(dialect, "a"), line(dialect, "b")), every=30)
    done = seen[-1]

    lived = ("validating", "in_progress", "finalizing", "completed")
    spelt = [dialect.statuses.get(status, status) for status in lived]
    assert list(dict.fromkeys(one.status for one in seen)) == list(dict.fromkeys(spelt))
    found = results(do, dialect, done.output_file_id)
    assert {one["custom_id"] for one in found} == {"a", "b"}
    assert name == dialect.name


@EVERY
def test_objects_have_the_keys_of_their_shapes(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """Batches, files, lists and lines hold what the sheet says, in its order, and no more."""
    shapes, client = dialect.shapes, do.client
    done = run(do, fakebatch, line(dialect, "a"))
    (answered,) = results(do, dialect, done.output_file_id)
    id_ = upload(do, fakebatch, line(dialect, "b"))
    batches = do.wire(client.batches.with_raw_response.list)
    files = do.wire(client.files.with_raw_response.list)

    assert [*do.wire(client.batches.with_raw_response.retrieve, done.id)] == keys(shapes.batch)
    assert [*do.wire(client.files.with_raw_response.retrieve, id_)] == keys(shapes.file)
    assert [*batches] == keys(dialect.batches_list.shape)
    assert [*files] == keys(dialect.files_list.shape)
    assert [*answered] == keys(shapes.answered)
    assert [*do.wire(client.files.with_raw_response.delete, id_)] == keys(shapes.deleted)


@EVERY
def test_ids_have_their_forms(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """Every id is of the form that the sheet names, and is found under it."""
    fakebatch.on(custom_id="b").fail(400)
    done = run(do, fakebatch, line(dialect, "a"), line(dialect, "b"))
    files = [(one.purpose, one.id) for one in fakebatch.files.values()]

    assert re.fullmatch(pattern(dialect.ids.batch), done.id)
    assert do(do.client.batches.retrieve, done.id).id == done.id
    assert len(files) == 3 or dialect.deleting_field
    forms = {dialect.ids.file, dialect.ids.output or dialect.ids.file, dialect.ids.errors}
    assert all(any(re.fullmatch(pattern(form), id_) for form in forms) for _, id_ in files)
    assert {dialect.results_purpose} <= {purpose for purpose, _ in files}


@EVERY
def test_a_refusal_has_the_providers_envelope(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """An unknown batch is refused in the words, and in the shape, of the sheet."""
    words = dialect.errors[ErrorKind.NO_SUCH_BATCH]
    with pytest.raises(openai.APIStatusError) as caught:
        do(do.client.batches.retrieve, "batch_x")

    body = json.loads(caught.value.response.content)
    assert caught.value.status_code == words.status
    assert [*body] == keys(dialect.shapes.error)
    assert words.message.format(id="batch_x") in caught.value.message


@EVERY
def test_a_key_comes_in_each_header_of_the_sheet(fakebatch: FakeBatch, name: str) -> None:
    """Without one 401, unless nobody asks for it; with one in any of the headers 200."""
    dialect = fakebatch.dialects[0]
    url = f"{fakebatch.base_url}/batches"
    assert httpx.get(url).status_code == (401 if dialect.auth else 200)
    for header, scheme in dialect.auth.items():
        answer = httpx.get(url, headers={header: f"{scheme} sk-mine".strip()})
        assert answer.status_code == 200


@EVERY
def test_windows_go_from_the_least_to_the_most(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """Both ends are allowed; what is not is refused, or fails the batch, as the sheet says."""
    window = dialect.window
    for allowed in (window.least, window.most):
        batch = create(do, fakebatch, line(dialect, "a"), completion_window=allowed)
        assert batch.completion_window == allowed
        if batch.expires_at is not None:
            assert batch.expires_at - batch.created_at == window.lasts(allowed) // 1_000_000
    if window.refused:
        with pytest.raises(openai.BadRequestError):
            create(do, fakebatch, line(dialect, "a"), completion_window="1s")
    else:
        assert run(do, fakebatch, line(dialect, "a"), completion_window="1s").status == "failed"


@EVERY
def test_a_cancel_is_answered_where_the_sheet_says_so(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """Once while validating; again while cancelling only where the provider minds not."""
    cancel = do.client.with_options(max_retries=0).batches.cancel
    batch = do(cancel, create(do, fakebatch, line(dialect, "a")).id)
    assert batch.status == "cancelling"
    if "cancelling" in dialect.cancels:
        assert do(cancel, batch.id).status == "cancelling"
    else:
        with pytest.raises(openai.APIStatusError) as caught:
            do(cancel, batch.id)
        assert caught.value.status_code == dialect.errors[ErrorKind.CANNOT_CANCEL].status


@EVERY
def test_a_bad_line_fails_the_batch_or_is_skipped(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """A line that asks for GET is told of where the provider tells anything."""
    bad = {**line(dialect, "b"), "method": "GET"}
    done = run(do, fakebatch, line(dialect, "a"), bad)

    assert done.status == ("completed" if dialect.skips_bad_lines else "failed")
    assert done.request_counts.total == (1 if dialect.skips_bad_lines else 0)
    assert (done.errors is None) == ("errors" not in keys(dialect.shapes.batch))


@EVERY
def test_a_line_that_fails_is_in_the_error_file(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """In the shape that the sheet has for it; alone, it leaves no output file."""
    fakebatch.on(custom_id="a").fail(400, message="No.")
    done = run(do, fakebatch, line(dialect, "a"))
    (failed,) = results(do, dialect, done.error_file_id)

    assert [*failed] == keys(dialect.shapes.failed or dialect.shapes.answered)
    assert "No." in json.dumps(failed)
    assert (done.output_file_id is None) == ("output" not in dialect.always_written_files)


@pytest.mark.parametrize("name", DIALECTS)
def test_the_same_seed_gives_the_same_answers(name: str) -> None:
    """Two runs of one test agree in every byte, whoever is emulated."""
    assert _story(name) == _story(name)


def _story(name: Any) -> list[bytes]:
    dialect = DIALECTS[name]
    headers = {header: f"{scheme} sk-mine".strip() for header, scheme in dialect.auth.items()}
    with FakeBatch(dialect=name) as fake, httpx.Client(headers=headers) as client:
        form = {"file": ("in.jsonl", json.dumps(line(dialect, "a")).encode())}
        url = fake.base_url
        answers = [client.post(f"{url}/files", data={"purpose": "batch"}, files=form)]
        fake.clock.advance("1m")
        asked = {
            "input_file_id": fake.files.only().id,
            "endpoint": dialect.endpoints[0],
            "completion_window": dialect.window.usual,
        }
        answers.append(client.post(f"{url}/batches", json=asked))
        fake.clock.advance("2h")
        answers.append(client.get(f"{url}/batches/{answers[1].json()['id']}"))
    return [one.content for one in answers]


def named(annotation: Any) -> list[str]:
    """The fields that a shape with this annotation may name."""
    return [name for name in get_args(annotation)[1].fields.split() if not name.endswith(".*")]


def test_a_shape_can_show_every_field_it_may_name() -> None:
    """What the check of a shape lets pass is there when the object is made."""
    may = {field.name: named(field.type) for field in fields(Shapes)}
    added = may.pop("added")
    may["list"] = named(fields(Listing)[0].type)
    shapes = {
        kind: " ".join(f"{name.replace('.', '_')}={name}" for name in names)
        for kind, names in may.items()
    }
    lists = {"shape": shapes.pop("list")}
    dialect = DIALECTS["openai"].set(
        name="everything",
        shapes={**shapes, "added": " ".join(f"x_{name}={name}" for name in added)},
        batches_list=lists,
        files_list=lists,
    )
    lines = [chat("a"), chat("b"), chat("c")]
    headers = {"authorization": "Bearer x"}
    with FakeBatch(dialect=dialect) as fake, httpx.Client(headers=headers) as client:
        fake.on(custom_id="b").fail(500)
        fake.on(custom_id="c").hang()
        files, batches = f"{fake.base_url}/files", f"{fake.base_url}/batches"
        form = {"file": ("in.jsonl", jsonl(lines))}
        upload = client.post(files, data={"purpose": "batch"}, files=form).json()
        params = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        client.post(batches, json={**params, "input_file_id": "file-x"})
        id_ = client.post(batches, json={**params, "input_file_id": upload["id"]}).json()["id"]
        fake.clock.advance("25h")
        batch = client.get(f"{batches}/{id_}").json()
        output, errors = (
            client.get(f"{files}/{batch[name]}/content").text.splitlines()
            for name in ("output_file_id", "error_file_id")
        )
        pages = client.get(batches).json(), client.get(files).json()
        shown = {
            "batch": batch,
            "entry": pages[0]["data"][1]["errors"]["data"][0],
            "list": pages[0],
            "file": client.get(f"{files}/{upload['id']}").json(),
            "upload": upload,
            "error": client.get(f"{batches}/x").json(),
            "error_of_files": client.get(f"{files}/x").json(),
            "answered": json.loads(output[0]),
            "failed": json.loads(errors[0]),
            "lost": json.loads(errors[1]),
            "deleted": client.delete(f"{files}/{upload['id']}").json(),
        }

    assert batch["status"] == "expired"
    assert {f"x_{name}" for name in added} <= {*shown["answered"]["body"]}
    assert {kind: [*value] for kind, value in shown.items()} == {
        kind: [name.replace(".", "_") for name in names] for kind, names in may.items()
    }
