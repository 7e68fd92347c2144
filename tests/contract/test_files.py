"""Files through the real SDK: every way to upload, to list, to download."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat, jsonl

CONTENT = jsonl([chat("a"), chat("b", "U+2028 \u2028 and U+0085 \u0085 end no line")])
FILE_KEYS = [
    *("object", "id", "purpose", "filename", "bytes", "created_at", "expires_at", "status"),
    "status_details",
]
PAGE_KEYS = ["object", "data", "first_id", "last_id", "has_more"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        pytest.param(lambda _: CONTENT, "upload", id="bytes have no name"),
        pytest.param(lambda _: ("in.jsonl", CONTENT), "in.jsonl", id="a name and bytes"),
        pytest.param(lambda _: ("päck.jsonl", CONTENT), "päck.jsonl", id="a name beyond ASCII"),
        pytest.param(lambda _: ('a"b.jsonl', CONTENT), 'a"b.jsonl', id="a name with a quote"),
        pytest.param(
            lambda _: ("in.jsonl", io.BytesIO(CONTENT), "application/jsonl"),
            "in.jsonl",
            id="a name, a stream and a type",
        ),
        pytest.param(lambda path: path, "requests.jsonl", id="a path"),
        pytest.param(lambda path: path.open("rb"), "requests.jsonl", id="an open file"),
    ],
)
def test_whatever_the_sdk_uploads_is_kept_byte_by_byte(
    do: Driver, tmp_path: Path, given: Callable[[Path], Any], name: str
) -> None:
    """The content comes back as it went, under the name the SDK gave it."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(CONTENT)
    upload = given(path)
    uploaded = do(do.client.files.create, file=upload, purpose="batch")
    if isinstance(upload, io.IOBase):
        upload.close()

    assert (uploaded.filename, uploaded.bytes) == (name, len(CONTENT))
    assert do(do.client.files.content, uploaded.id).content == CONTENT


def test_a_file_has_every_key_in_the_order_of_the_wire(do: Driver) -> None:
    """A batch file lives 30 days, another one for ever."""
    batch, other = (
        do.wire(do.client.files.with_raw_response.create, file=CONTENT, purpose=purpose)
        for purpose in ("batch", "user_data")
    )

    assert list(batch) == list(other) == FILE_KEYS
    assert batch["expires_at"] == batch["created_at"] + 30 * 86_400
    assert other["expires_at"] is None
    assert (batch["status"], batch["status_details"]) == ("processed", None)


DOWNLOADS: dict[str, Callable[[Any, Path], bytes]] = {
    "read": lambda answer, _: answer.read(),
    "text": lambda answer, _: answer.text.encode(),
    "iter_bytes": lambda answer, _: b"".join(answer.iter_bytes(7)),
    "iter_lines": lambda answer, _: b"".join(s.encode() + b"\n" for s in answer.iter_lines()),
    "write_to_file": lambda answer, path: answer.write_to_file(path) or path.read_bytes(),
}


@pytest.mark.parametrize("download", DOWNLOADS.values(), ids=DOWNLOADS)
def test_a_download_can_be_taken_in_any_way(
    do: Driver, tmp_path: Path, download: Callable[[Any, Path], bytes]
) -> None:
    """Whole, by pieces, by lines, to a file: the bytes are the same."""
    plain = jsonl([chat(f"r{i}") for i in range(50)])
    answer = do(do.client.files.content, do.upload(plain).id)

    assert download(answer, tmp_path / "saved") == plain


@pytest.mark.sync
def test_a_download_can_be_streamed(do: Driver) -> None:
    """`with_streaming_response` hands out the bytes as they come."""
    client: Any = do.client
    uploaded = client.files.create(file=CONTENT, purpose="batch")
    with client.files.with_streaming_response.content(uploaded.id) as streamed:
        pieces = [*streamed.iter_bytes(100)]

    assert b"".join(pieces) == CONTENT
    assert len(pieces) > 1


def test_an_async_download_can_be_streamed_to_a_file(
    async_client: openai.AsyncOpenAI, tmp_path: Path
) -> None:
    """The async client writes it without a copy in memory."""

    async def save(client: openai.AsyncOpenAI) -> None:
        id_ = (await client.files.create(file=CONTENT, purpose="batch")).id
        async with client.files.with_streaming_response.content(id_) as streamed:
            await streamed.stream_to_file(tmp_path / "saved")
        await client.close()

    asyncio.run(save(async_client))
    assert (tmp_path / "saved").read_bytes() == CONTENT


@pytest.mark.sync
def test_a_download_that_the_client_leaves_is_not_complete(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """Though all of it may be on its way; one to the end is."""
    client: Any = do.client
    id_ = do.run([chat(f"r{n}", "x" * 900_000) for n in range(8)]).output_file_id
    with client.files.with_streaming_response.content(id_) as streamed:
        next(streamed.iter_bytes(100))
    # a server learns a moment later that a client has left
    assert any(fakebatch.files[id_].downloads == () for _ in range(500))
    with pytest.raises(AssertionError, match="; the client left before the end of a download"):
        fakebatch.assert_all_downloaded()
    assert len(client.files.content(id_).read()) > 8 * 900_000
    assert len(fakebatch.files[id_].downloads) == 1
    fakebatch.assert_all_downloaded()


def test_a_second_download_is_the_same(do: Driver) -> None:
    """Result files are made once."""
    done = do.run([chat(f"r{i}") for i in range(5)])
    first, second = (do(do.client.files.content, done.output_file_id) for _ in range(2))

    assert first.content == second.content
    assert first.response.headers["content-disposition"] == (
        f'attachment; filename="{done.id}_output.jsonl"'
    )


@pytest.mark.sync
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param({}, "edcba", id="newest first"),
        pytest.param({"order": "asc"}, "abcde", id="oldest first"),
        pytest.param({"limit": 2}, "edcba", id="by pages of two"),
        pytest.param({"limit": 1, "order": "asc"}, "abcde", id="by pages of one, oldest first"),
        pytest.param({"purpose": "user_data"}, "db", id="of one purpose"),
        pytest.param({"purpose": "user_data", "limit": 1}, "db", id="of one purpose, by pages"),
        pytest.param({"purpose": "vision"}, "", id="of a purpose nobody used"),
        pytest.param({"after": "c"}, "ba", id="after one"),
        pytest.param({"after": "c", "order": "asc"}, "de", id="after one, oldest first"),
        pytest.param({"after": "a"}, "", id="after the last"),
    ],
)
def test_files_are_listed(do: Driver, asked: dict[str, Any], found: str) -> None:
    """Auto-paging sees each file once, in order."""
    ids = {
        name: do(do.client.files.create, file=(name, CONTENT), purpose=purpose).id
        for name, purpose in zip("abcde", ("batch", "user_data") * 3, strict=False)
    }
    named = {**asked, "after": ids[asked["after"]]} if "after" in asked else asked

    listed = do.all(do.client.files.list, **named)
    assert "".join(one.filename for one in listed) == found


def test_a_page_says_whether_more_follow(do: Driver) -> None:
    """Its first and last id are those of its data; an empty one has none."""
    empty = do.wire(do.client.files.with_raw_response.list)
    ids = [do.upload(CONTENT).id for _ in range(3)]
    page = do.wire(do.client.files.with_raw_response.list, limit=2)

    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None} | {
        "has_more": False
    }
    assert list(page) == PAGE_KEYS
    assert (page["first_id"], page["last_id"], page["has_more"]) == (ids[2], ids[1], True)


def test_a_deleted_file_is_gone_and_paging_goes_on_past_it(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """It is in no list and cannot be had; `after` may still name it."""
    old, gone, new = (do.upload(CONTENT).id for _ in range(3))
    deleted = do(do.client.files.delete, gone)

    assert (deleted.id, deleted.deleted) == (gone, True)
    assert [one.id for one in do.all(do.client.files.list)] == [new, old]
    assert [one.id for one in do.all(do.client.files.list, after=gone)] == [old]
    assert list(fakebatch.files) == [old, new]


@pytest.mark.parametrize("seconds", [3600, 2_592_000])
def test_a_file_expires_when_the_upload_said_so(
    do: Driver, fakebatch: FakeBatch, seconds: int
) -> None:
    """`expires_after` counts from the upload; a second before its end the file is still there."""
    body = {"expires_after[anchor]": "created_at", "expires_after[seconds]": str(seconds)}
    uploaded = do.upload(CONTENT, extra_body=body)
    assert uploaded.expires_at == uploaded.created_at + seconds

    fakebatch.clock.advance(seconds - 1)
    assert do(do.client.files.retrieve, uploaded.id).id == uploaded.id
    fakebatch.clock.advance(1)
    with pytest.raises(openai.NotFoundError):
        do(do.client.files.retrieve, uploaded.id)


@pytest.mark.sync
@pytest.mark.parametrize(
    ("content", "purpose", "message"),
    [
        pytest.param(CONTENT, "homework", "'homework' is not one of", id="an unknown purpose"),
        pytest.param(b"", "batch", "Must be .jsonl", id="nothing for a batch"),
        pytest.param(b"a,b\n1,2\n", "batch", "Must be .jsonl", id="no JSON for a batch"),
    ],
)
def test_a_bad_upload_is_refused(do: Driver, content: bytes, purpose: Any, message: str) -> None:
    """The SDK's BadRequestError, in the words of the service; nothing is kept."""
    with pytest.raises(openai.BadRequestError, match=message):
        do(do.client.files.create, file=content, purpose=purpose)
    assert do.all(do.client.files.list) == []


@pytest.mark.sync
def test_waiting_for_processing_ends_at_once(do: Driver, fakebatch: FakeBatch) -> None:
    """The SDK's helper finds the file processed."""
    client: Any = do.client
    uploaded = client.files.create(file=CONTENT, purpose="batch")

    assert client.files.wait_for_processing(uploaded.id).status == "processed"
    assert fakebatch.clock.elapsed == 0


@pytest.mark.parametrize("purpose", ["user_data", "assistants"])
def test_what_was_uploaded_for_a_model_cannot_be_downloaded(do: Driver, purpose: Any) -> None:
    """The service keeps the content of files of these purposes to itself."""
    file = do(do.client.files.create, file=("a.txt", b"hello"), purpose=purpose)
    with pytest.raises(openai.BadRequestError) as refused:
        do(do.client.files.content, file.id)
    assert (refused.value.code, refused.value.param) == (None, None)
    assert f"Not allowed to download files of purpose: {purpose}" in refused.value.message


def test_a_name_beyond_ascii_is_not_escaped(do: Driver) -> None:
    """File objects are raw UTF-8 wherever they appear."""
    raw = do.client.files.with_raw_response
    sent = do(raw.create, file=("你好.txt", b"test"), purpose="vision")
    listed = do(raw.list)
    assert '"filename": "你好.txt"'.encode() in sent.content
    assert '"filename": "你好.txt"'.encode() in listed.content
