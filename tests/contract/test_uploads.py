"""Uploads through the real SDK: files that come in parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from io import BytesIO
from pathlib import Path
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat, jsonl

CONTENT = jsonl([chat("a"), chat("b", "U+2028 \u2028"), chat("c")])
DIGEST = md5(CONTENT, usedforsecurity=False).hexdigest()
UPLOAD_KEYS = [
    *("id", "object", "bytes", "created_at", "filename", "purpose", "status", "expires_at"),
]


def begun(do: Driver, content: bytes = CONTENT, **changes: Any) -> Any:
    """A pending upload."""
    asked = {
        "bytes": len(content),
        "filename": "in.jsonl",
        "purpose": "batch",
        "mime_type": "application/jsonl",
        **changes,
    }
    return do(do.client.uploads.create, **asked)


def part(do: Driver, upload: Any, data: bytes) -> str:
    """One part: its id."""
    return str(do(do.client.uploads.parts.create, upload.id, data=data).id)


def batch_of(do: Driver, file: Any) -> Any:
    asked: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return do(do.client.batches.create, input_file_id=file.id, **asked)


def in_thirds(content: bytes) -> Iterator[bytes]:
    third = len(content) // 3
    yield from (content[:third], content[third : 2 * third], content[2 * third :])


@pytest.mark.parametrize(
    ("given", "name"),
    [
        pytest.param(lambda path: {"file": path}, "requests.jsonl", id="a path"),
        pytest.param(lambda path: {"file": str(path)}, "requests.jsonl", id="a path as text"),
        pytest.param(
            lambda _: {"file": CONTENT, "filename": "in.jsonl", "bytes": len(CONTENT)},
            "in.jsonl",
            id="bytes and a name",
        ),
    ],
)
@pytest.mark.parametrize("part_size", [None, 100, 7])
# openai 1.x leaves the file it reads open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_sdk_uploads_in_chunks(
    do: Driver,
    tmp_path: Path,
    given: Callable[[Path], dict[str, Any]],
    name: str,
    part_size: int | None,
) -> None:
    """`upload_file_chunked` gives a file with the bytes it read, however small the parts are."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(CONTENT)
    done = do(
        do.client.uploads.upload_file_chunked,
        **given(path),
        mime_type="application/jsonl",
        purpose="batch",
        part_size=part_size,
        md5=DIGEST,
    )

    assert (done.status, done.file.filename, done.file.bytes) == ("completed", name, len(CONTENT))
    assert do(do.client.files.content, done.file.id).content == CONTENT


def test_an_upload_has_every_key_in_the_order_of_the_wire(do: Driver) -> None:
    """It expires an hour after its creation; `file` is there once it is completed."""
    raw = do.client.uploads.with_raw_response
    asked = {"bytes": 3, "filename": "f", "purpose": "user_data", "mime_type": "text/plain"}
    pending, other = (do.wire(raw.create, **asked) for _ in range(2))
    piece = do.wire(do.client.uploads.parts.with_raw_response.create, pending["id"], data=b"abc")
    completed = do.wire(raw.complete, pending["id"], part_ids=[piece["id"]])
    cancelled = do.wire(raw.cancel, other["id"])

    assert list(pending) == list(cancelled) == UPLOAD_KEYS
    assert list(completed) == [*UPLOAD_KEYS, "file"]
    assert pending["expires_at"] == pending["created_at"] + 3_600
    assert [one["status"] for one in (pending, completed, cancelled)] == [
        *("pending", "completed", "cancelled")
    ]
    assert piece == {
        "id": piece["id"],
        "object": "upload.part",
        "created_at": pending["created_at"],
        "upload_id": pending["id"],
    }
    assert (pending["id"][:7], piece["id"][:5]) == ("upload_", "part_")


def test_the_file_is_as_old_as_its_upload(do: Driver, fakebatch: FakeBatch) -> None:
    """Its creation, and so its end, count from there; it is listed once it is complete."""
    upload = begun(do)
    fakebatch.clock.advance("10m")
    part_ids = [part(do, upload, CONTENT)]
    assert do.all(do.client.files.list) == []

    file = do(do.client.uploads.complete, upload.id, part_ids=part_ids).file
    assert file.created_at == upload.created_at
    assert file.expires_at == upload.created_at + 30 * 86_400
    assert [one.id for one in do.all(do.client.files.list)] == [file.id]


def test_an_upload_can_say_how_long_its_file_lives(do: Driver) -> None:
    """`expires_after`, by the rule of any file."""
    body = {"expires_after": {"anchor": "created_at", "seconds": 3_600}}
    upload = begun(do, extra_body=body)
    file = do(do.client.uploads.complete, upload.id, part_ids=[part(do, upload, CONTENT)]).file
    assert file.expires_at == upload.created_at + 3_600


def test_an_upload_may_be_of_nothing(do: Driver) -> None:
    """The specification has no least length; openai-python's own tests announce 0 bytes."""
    upload = begun(do, b"", purpose="user_data")
    assert do(do.client.uploads.complete, upload.id, part_ids=[]).file.bytes == 0


def test_a_batch_runs_on_an_upload(do: Driver) -> None:
    """The file of an upload is batch input as any other."""
    upload = begun(do)
    part_ids = [part(do, upload, piece) for piece in in_thirds(CONTENT)]
    file = do(do.client.uploads.complete, upload.id, part_ids=part_ids).file
    done = do.poll(batch_of(do, file), every=600)[-1]
    assert {line["custom_id"] for line in do.results(done.output_file_id)} == {"a", "b", "c"}


@pytest.mark.fakebatch(limits={"batch_bytes": 100})
def test_a_batch_of_an_upload_may_not_be_larger_than_another(do: Driver) -> None:
    """What is too large for a batch is found by its validation, however it was uploaded."""
    upload = begun(do)
    file = do(do.client.uploads.complete, upload.id, part_ids=[part(do, upload, CONTENT)]).file
    (error,) = do.poll(batch_of(do, file))[-1].errors.data
    assert "larger than the 100 maximum" in error.message


def test_the_order_of_part_ids_decides(do: Driver) -> None:
    """Parts may come in any order, and one that is not named is left out."""
    upload = begun(do)
    first, second, third = in_thirds(CONTENT)
    ids = [part(do, upload, piece) for piece in (third, b"a second try", first, second)]
    done = do(do.client.uploads.complete, upload.id, part_ids=[ids[2], ids[3], ids[0]])
    assert do(do.client.files.content, done.file.id).content == CONTENT


@pytest.mark.sync
def test_parts_can_come_at_the_same_time(do: Driver) -> None:
    """From many threads: each part has an id of its own."""
    client: Any = do.client
    pieces = [bytes([65 + number]) * 10 for number in range(20)]
    upload = client.uploads.create(
        bytes=200, filename="f", mime_type="text/plain", purpose="vision"
    )
    with ThreadPoolExecutor(8) as pool:
        parts = list(
            pool.map(lambda piece: client.uploads.parts.create(upload.id, data=piece), pieces)
        )
    done = client.uploads.complete(upload.id, part_ids=[one.id for one in parts])
    assert done.file is not None
    assert client.files.content(done.file.id).content == b"".join(pieces)


Ending = Callable[[Driver, Any, FakeBatch], object]
ENDINGS: dict[str, Ending] = {
    "completed": lambda do, upload, _: do(
        do.client.uploads.complete, upload.id, part_ids=[part(do, upload, CONTENT)]
    ),
    "cancelled": lambda do, upload, _: do(do.client.uploads.cancel, upload.id),
    "expired": lambda _, __, fake: fake.clock.advance("1h"),
}
CALLS: dict[str, Callable[[Driver, Any], object]] = {
    "a part": lambda do, upload: part(do, upload, b"more"),
    "a completion": lambda do, upload: do(do.client.uploads.complete, upload.id, part_ids=[]),
    "a cancel": lambda do, upload: do(do.client.uploads.cancel, upload.id),
}


@pytest.mark.sync
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("status", ENDINGS)
def test_an_upload_that_is_over_takes_nothing(
    do: Driver, fakebatch: FakeBatch, status: str, call: Callable[[Driver, Any], object]
) -> None:
    """After its completion, its cancel, or an hour: neither parts nor another end."""
    upload = begun(do)
    ENDINGS[status](do, upload, fakebatch)
    with pytest.raises(openai.BadRequestError, match=f"its status is '{status}'"):
        call(do, upload)


def test_an_upload_lasts_until_its_last_second(do: Driver, fakebatch: FakeBatch) -> None:
    """One second before the hour is over it can still be completed."""
    upload = begun(do)
    fakebatch.clock.advance("59m59s")
    part_ids = [part(do, upload, CONTENT)]
    assert do(do.client.uploads.complete, upload.id, part_ids=part_ids).status == "completed"


@pytest.mark.sync
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_unknown_upload_is_not_found(do: Driver, call: Callable[[Driver, Any], object]) -> None:
    """A NotFoundError that names it."""
    with pytest.raises(openai.NotFoundError, match="No such Upload object: upload_x"):
        call(do, openai.types.Upload.model_construct(id="upload_x"))


@pytest.mark.sync
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"purpose": "homework"}, "'homework' is not one of", id="a purpose"),
        pytest.param({"bytes": -1}, "expected a value >= 0", id="fewer than none"),
        pytest.param({"bytes": 8 * 1024**3 + 1}, "Expected a value <= 8589934592", id="9 GB"),
        pytest.param({"bytes": "8"}, "expected an integer, but got a string", id="text for bytes"),
        pytest.param({"filename": None}, "parameter: 'filename'", id="no name"),
        pytest.param({"mime_type": None}, "parameter: 'mime_type'", id="no type"),
        pytest.param(
            {"extra_body": {"expires_after": {"anchor": "created_at", "seconds": 1}}},
            "Invalid 'expires_after.seconds'",
            id="a short life",
        ),
    ],
)
def test_a_bad_beginning_is_refused(do: Driver, changed: dict[str, Any], message: str) -> None:
    """A BadRequestError in the words of the service."""
    with pytest.raises(openai.BadRequestError, match=f"(?i){message}"):
        begun(do, **changed)


@pytest.mark.sync
@pytest.mark.parametrize(
    ("completes", "message"),
    [
        pytest.param(lambda a, _: {"part_ids": [a]}, "have 3 bytes", id="too few bytes"),
        pytest.param(lambda a, b: {"part_ids": [a, b, b]}, "Duplicate part id", id="a part twice"),
        pytest.param(
            lambda a, b: {"part_ids": [a, b, "part_x"]},
            "No such Upload Part object: part_x",
            id="an unknown part",
        ),
        pytest.param(
            lambda a, b: {"part_ids": [a, b], "md5": "0" * 32}, "md5 checksum", id="another md5"
        ),
        pytest.param(
            lambda a, b: {"part_ids": [b, a]}, "Must be .jsonl", id="a first line without JSON"
        ),
        pytest.param(
            lambda *_: {"part_ids": None}, "parameter: 'part_ids'", id="nothing said of parts"
        ),
        pytest.param(
            lambda a, _: {"part_ids": [a, 1]}, r"type for 'part_ids\[1\]'", id="a number as an id"
        ),
        pytest.param(
            lambda *_: {"part_ids": {"a": 1}}, "expected an array", id="an object of parts"
        ),
    ],
)
def test_a_bad_end_is_refused_and_may_be_tried_again(
    do: Driver, completes: Callable[[str, str], dict[str, Any]], message: str
) -> None:
    """The upload stays pending: with the right parts it is completed."""
    upload = begun(do, b'{"a": 1}')
    a, b = part(do, upload, b'{"a'), part(do, upload, b'": 1}')
    with pytest.raises(openai.BadRequestError, match=message):
        do(do.client.uploads.complete, upload.id, **completes(a, b))
    digest = md5(b'{"a": 1}', usedforsecurity=False).hexdigest().upper()
    done = do(do.client.uploads.complete, upload.id, part_ids=[a, b], md5=digest)
    assert do(do.client.files.content, done.file.id).content == b'{"a": 1}'


@pytest.mark.fakebatch(limits={"part_bytes": 10, "upload_bytes": 25})
def test_parts_have_limits(do: Driver) -> None:
    """One part, and all of them together; a part that is refused is not kept."""
    upload = begun(do, b"x" * 25, purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="File is too large"):
        part(do, upload, b"x" * 11)
    part_ids = [part(do, upload, b"x" * size) for size in (10, 10)]
    with pytest.raises(openai.BadRequestError, match="File is too large"):
        part(do, upload, b"x" * 6)
    part_ids.append(part(do, upload, b"x" * 5))
    assert do(do.client.uploads.complete, upload.id, part_ids=part_ids).file.bytes == 25


def test_a_part_is_sent_as_data(do: Driver) -> None:
    """A form without the field `data` is refused, and so is a body that is no form."""
    upload = begun(do)
    path, form = f"/uploads/{upload.id}/parts", {"Content-Type": "multipart/form-data"}
    with pytest.raises(openai.BadRequestError, match="parameter: 'data'"):
        files = {"other": b"x"}
        do(do.client.post, path, cast_to=object, files=files, options={"headers": form})
    with pytest.raises(openai.APIStatusError, match="expected multipart/form-data") as refused:
        do(do.client.post, path, cast_to=object, body={})
    assert refused.value.status_code == 415


SIZES = {"64 kB": 65_536, "more than a block of the network": 300_000, "32 MB": 2**25}


@pytest.mark.sync
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_part_may_be_long(do: Driver, size: int) -> None:
    """A part of any size arrives to the byte, from bytes and from an open file."""
    client: Any = do.client
    content = b"{}\n" + bytes(size - 3)
    for data in (content, ("part", BytesIO(content))):
        upload = client.uploads.create(
            bytes=size, filename="f", mime_type="text/plain", purpose="vision"
        )
        sent: Any = client.uploads.parts.create(upload.id, data=data)
        done = client.uploads.complete(upload.id, part_ids=[sent.id])
        assert done.file is not None
        assert client.files.content(done.file.id).content == content


def test_a_long_part_may_come_from_an_asynchronous_client(async_client: openai.AsyncOpenAI) -> None:
    """It is read as that of a synchronous one."""

    async def uploaded() -> bytes:
        async with async_client as client:
            done: Any = await client.uploads.upload_file_chunked(
                file=b"{}\n" * 100_000,
                filename="in.jsonl",
                bytes=300_000,
                mime_type="application/jsonl",
                purpose="batch",
            )
            return (await client.files.content(done.file.id)).content

    assert asyncio.run(uploaded()) == b"{}\n" * 100_000
