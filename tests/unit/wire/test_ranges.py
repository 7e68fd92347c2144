"""Downloads in part: a `Range` of a file, held or written while it is read."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from fakebatch import Emulator
from fakebatch.batch import output_file
from fakebatch.wire import Reply, Request
from support.batches import CHAT, T0, requests
from support.calling import FORM, form

DAY = 86_400_000_000

RANGES: dict[str, tuple[str, Callable[[int], tuple[int, int] | None]]] = {
    "the first bytes": ("bytes=0-99", lambda _: (0, 100)),
    "from a byte on": ("bytes=100-", lambda size: (100, size)),
    "the last bytes": ("bytes=-10", lambda size: (size - 10, size)),
    "more than there are": ("bytes=10-999999999", lambda size: (10, size)),
    "the last of more than there are": ("bytes=-999999999", lambda size: (0, size)),
    "one byte, in capitals": ("Bytes=5-5", lambda _: (5, 6)),
    "two ranges": ("bytes=0-1,5-6", lambda _: None),
    "no bytes": ("lines=0-1", lambda _: None),
    "a range that goes back": ("bytes=9-5", lambda _: None),
    "no numbers": ("bytes=-", lambda _: None),
    "words": ("all of it", lambda _: None),
}


class Download:
    """A batch that has ended, whose output is downloaded."""

    def __init__(self) -> None:
        now = T0
        self.emulator = Emulator(clock=lambda: now)
        file = json.loads(
            self.send("POST", "files", form(requests(20), purpose="batch"), **FORM).body
        )
        params = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
        batch = json.loads(self.send("POST", "batches", json.dumps(params).encode()).body)
        now += DAY
        self.file = self.emulator.batches[batch["id"]].output_file_id
        self.content = self.emulator.files[self.file or ""].content

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        headers = {"authorization": "Bearer sk-test", **headers}
        request = Request(method, f"/v1/{path}", {}, headers, body, host="api.openai.com")
        return self.emulator.handle(request)

    def get(self, **headers: str) -> tuple[Reply, bytes]:
        reply = self.send("GET", f"files/{self.file}/content", b"", **headers)
        return reply, reply.body if reply.pieces is None else b"".join(reply.pieces)


@pytest.fixture(params=["held", "written while it is read"])
def download(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Download:
    """Of a result file that is small enough to hold, or is not."""
    if request.param != "held":
        monkeypatch.setattr(output_file, "MAX_CACHED", 100)
    return Download()


@pytest.mark.parametrize(("value", "bounds"), RANGES.values(), ids=RANGES)
def test_a_range_of_a_file_is_sent(
    download: Download, value: str, bounds: Callable[[int], tuple[int, int] | None]
) -> None:
    """As RFC 9110 says: 206 with the place, or the whole file if the range has no meaning."""
    reply, body = download.get(range=value)
    size, span = len(download.content), bounds(len(download.content))
    if span is None:
        assert (reply.status, body) == (200, download.content)
        assert "content-range" not in reply.headers
    else:
        start, end = span
        assert (reply.status, body) == (206, download.content[start:end])
        assert reply.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    assert reply.headers["content-length"] == str(len(body))


@pytest.mark.parametrize("value", ["bytes=99999999-", "bytes=-0"])
def test_a_range_behind_the_end_is_an_error(download: Download, value: str) -> None:
    """416, with the size."""
    reply, body = download.get(range=value)
    assert (reply.status, body) == (416, b"")
    assert reply.headers["content-range"] == f"bytes */{len(download.content)}"


def test_a_part_is_not_a_complete_download(download: Download) -> None:
    """So it is no `downloads` of the file."""
    download.get(range="bytes=0-1")
    assert download.emulator.files[download.file or ""].downloads == ()
    download.get()
    assert len(download.emulator.files[download.file or ""].downloads) == 1
