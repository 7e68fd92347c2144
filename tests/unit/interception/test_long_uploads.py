"""Long uploads arrive whole, by whatever way, and without being joined where nobody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import httpx2
import openai
import pytest
import respx

from fakebatch import FakeBatch
from support.client import Driver, chat, jsonl

LONG = jsonl(chat(f"row-{number}", "x" * 1000) for number in range(200))


@contextmanager
def by_path(content: bytes, folder: Path) -> Iterator[Path]:
    (folder / "in.jsonl").write_bytes(content)
    yield folder / "in.jsonl"


@contextmanager
def opened(content: bytes, folder: Path) -> Iterator[Any]:
    with by_path(content, folder) as path, path.open("rb") as file:
        yield file


Form = Callable[[bytes, Path], AbstractContextManager[Any]]

FORMS: dict[str, Form] = {
    "bytes": lambda content, _: nullcontext(content),
    "a path": by_path,
    "an open file": opened,
    "a buffer": lambda content, _: nullcontext(BytesIO(content)),
    "a name and bytes": lambda content, _: nullcontext(("in.jsonl", content)),
}


CLIENTS: dict[str, Callable[[FakeBatch], Any]] = {
    "a ready client": FakeBatch.openai,
    "a ready client on a loop": FakeBatch.async_openai,
    "through respx": lambda _: openai.OpenAI(),
    "through respx on a loop": lambda _: openai.AsyncOpenAI(),
}


@pytest.fixture(params=[*CLIENTS.values()], ids=[*CLIENTS])
def do(request: pytest.FixtureRequest, fakebatch: FakeBatch) -> Iterator[Driver]:
    """A client of the SDK, by either way."""
    driver = Driver(request.param(fakebatch))
    yield driver
    driver.runner.close()


@pytest.mark.parametrize("content", [b"{}\n", LONG], ids=["short", "long"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_upload_arrives_whole_in_every_form(
    do: Driver, content: bytes, form: Form, tmp_path: Path
) -> None:
    """As bytes, as a path, as an open file: what comes back is what was given."""
    with form(content, tmp_path) as file:
        uploaded = do(do.client.files.create, file=file, purpose="batch")

    assert uploaded.bytes == len(content)
    assert do(do.client.files.content, uploaded.id).content == content


@pytest.mark.parametrize("client", [FakeBatch.openai, FakeBatch.async_openai])
def test_bytes_uploaded_by_a_ready_client_are_not_copied(
    fakebatch: FakeBatch, client: Callable[[FakeBatch], Any]
) -> None:
    """A long file given as bytes is kept as the very object the client gave."""
    do = Driver(client(fakebatch))
    uploaded = do(do.client.files.create, file=LONG, purpose="batch")
    do.runner.close()
    assert fakebatch.files[uploaded.id].content is LONG


def test_a_route_the_test_mocks_gets_a_long_upload_whole(do: Driver, fakebatch: FakeBatch) -> None:
    """What may look at a body finds it read."""
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        return httpx.Response(400, json={"error": {"message": "mine"}})

    fakebatch.router["files.create"].mock(side_effect=answer)
    with pytest.raises(openai.BadRequestError, match="mine"):
        do(do.client.files.create, file=LONG, purpose="batch")
    assert [LONG in body for body in seen] == [True]


@pytest.mark.parametrize("post", [httpx.post, httpx2.post], ids=["httpx", "httpx2"])
def test_a_router_of_the_test_gets_a_long_upload_whole(fakebatch: FakeBatch, post: Any) -> None:
    """Of another host, with fakebatch's own routes or another router."""
    ours = fakebatch.router.post("https://one.example/", content__contains=LONG).respond(201)
    using = "httpcore" if post is httpx.post else "httpcore2"
    with respx.mock(using=using) as router:
        theirs = router.post("https://two.example/", content__contains=LONG).respond(202)
        answers = [
            post(f"https://{host}.example/", files={"file": LONG}).status_code
            for host in ("one", "two")
        ]

    assert answers == [201, 202]
    assert (ours.call_count, theirs.call_count) == (1, 1)
