from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest
import requests

from fakebatch.wire.forms import Part
from support.calling import parts
from support.refusals import said

URL = "https://api.openai.com/v1/files"
FORM = {"purpose": "batch"}

Encode = Callable[[str, bytes], tuple[bytes, str]]


def by_httpx(filename: str, content: bytes) -> tuple[bytes, str]:
    files = {"file": (filename, content, "application/jsonl")}
    request = httpx.Request("POST", URL, data=FORM, files=files)
    return request.read(), request.headers["content-type"]


def by_httpx2(filename: str, content: bytes) -> tuple[bytes, str]:
    files = {"file": (filename, content, "application/jsonl")}
    request = httpx2.Request("POST", URL, data=FORM, files=files)
    return request.read(), request.headers["content-type"]


def by_requests(filename: str, content: bytes) -> tuple[bytes, str]:
    files = {"file": (filename, content, "application/jsonl")}
    request = requests.Request("POST", URL, data=FORM, files=files).prepare()
    assert isinstance(request.body, bytes)
    return request.body, request.headers["content-type"]


LIBRARIES = {"httpx": by_httpx, "httpx2": by_httpx2, "requests": by_requests}

NAMES = {
    "a plain name": "in.jsonl",
    "blanks": "a b .jsonl",
    "double quotes": 'a "b".jsonl',
    "single quotes": "a 'b'.jsonl",
    "a backslash": "a\\b.jsonl",
    "line ends": "a\r\nb.jsonl",
    "umlauts": "zürich.jsonl",
    "Chinese": "批处理.jsonl",
    "beyond the basic plane": "\U0001f600.jsonl",
    "the signs of a header": "a; name=b, c=d: e.jsonl",
    "a parameter of its own": 'a"; name="purpose',
}

CONTENTS = {
    "nothing": b"",
    "a line": b'{"a": 1}\n',
    "no line end": b"{}",
    "CRLF inside and at the end": b"{}\r\n{}\r\n",
    "CRLF alone": b"\r\n",
    "blank lines": b"\r\n\r\n\r\n",
    "dashes": b"\r\n--\r\n----\r\n--b--\r\n",
    "another form": b'\r\n--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--',
    "every byte": bytes(range(256)),
    "a long line": b"x" * 100_000,
}


@pytest.mark.parametrize("encode", LIBRARIES.values(), ids=LIBRARIES)
@pytest.mark.parametrize("filename", NAMES.values(), ids=NAMES)
def test_a_file_keeps_its_name(encode: Encode, filename: str) -> None:
    """However a client library writes a file name, it is read as it was."""
    body, content_type = encode(filename, b"{}\n")
    assert parts(body, content_type) == {
        "purpose": Part("purpose", None, b"batch"),
        "file": Part("file", filename, b"{}\n"),
    }


@pytest.mark.parametrize("encode", LIBRARIES.values(), ids=LIBRARIES)
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_file_keeps_its_bytes(encode: Encode, content: bytes) -> None:
    """Content is read to the byte: line ends, blank lines and what looks like a boundary."""
    body, content_type = encode("in.jsonl", content)
    assert content == parts(body, content_type)["file"].content


def test_a_name_may_end_with_a_backslash() -> None:
    """Not every library escapes backslashes: one at the end hides nothing of the name."""
    assert parts(*by_requests("dir\\", b""))["file"].filename == "dir\\"


def field(name: str, content: str) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{content}\r\n'.encode()


ONE = field("a", "1")
END = b"--b--\r\n"
TYPE = "multipart/form-data; boundary=b"

FORMS: dict[str, tuple[bytes, str, dict[str, bytes]]] = {
    "fields we do not know": (
        field("extra", "1") + field("expires_after[seconds]", "3600") + END,
        TYPE,
        {"extra": b"1", "expires_after[seconds]": b"3600"},
    ),
    "of fields with one name the last": (ONE + field("a", "2") + END, TYPE, {"a": b"2"}),
    "a quoted boundary": (ONE + END, 'multipart/form-data; boundary="b"', {"a": b"1"}),
    "a boundary before another parameter": (ONE + END, TYPE + "; charset=utf-8", {"a": b"1"}),
    "any case": (ONE + END, "Multipart/Form-Data; Boundary=b", {"a": b"1"}),
    "headers in any case": (
        b'--b\r\nCONTENT-DISPOSITION: form-data; name="a"\r\n\r\n1\r\n' + END,
        TYPE,
        {"a": b"1"},
    ),
    "other headers around": (
        b'--b\r\nX: y\r\nContent-Disposition: form-data; name="a"\r\nZ: z\r\n\r\n1\r\n' + END,
        TYPE,
        {"a": b"1"},
    ),
    "a preamble and an epilogue": (b"hello\r\n" + ONE + END + b"bye", TYPE, {"a": b"1"}),
    "nothing after the end": (ONE + END + field("b", "2"), TYPE, {"a": b"1"}),
    "a part without headers": (b"--b\r\n\r\n1\r\n" + END, TYPE, {"": b"1"}),
    "a part without a name": (ONE.replace(b'; name="a"', b"") + END, TYPE, {"": b"1"}),
    "line feeds alone, as Go reads them": (
        ONE.replace(b"\r\n", b"\n") + b"--b--\n",
        TYPE,
        {"a": b"1"},
    ),
    "no line end after the last delimiter": (ONE + b"--b--", TYPE, {"a": b"1"}),
    "blanks after a delimiter": (
        (ONE + ONE + END).replace(b"--b\r\n", b"--b \t\r\n"),
        TYPE,
        {"a": b"1"},
    ),
    "content without the blank line's own end": (
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + END,
        TYPE,
        {"a": b""},
    ),
    "content with lines that begin with the delimiter": (
        field("a", "x\r\n--boundary\r\n--b-\r\n--b--x\r\n--b x") + END,
        TYPE,
        {"a": b"x\r\n--boundary\r\n--b-\r\n--b--x\r\n--b x"},
    ),
    "content with the delimiter after a line feed alone": (
        field("a", "x\n--b\r\ny") + END,
        TYPE,
        {"a": b"x\n--b\r\ny"},
    ),
    "a boundary with every sign": (
        (ONE + END).replace(b"--b", b"--a'()+_,-./:=? b"),
        'multipart/form-data; boundary="a\'()+_,-./:=? b"',
        {"a": b"1"},
    ),
    "a boundary after another parameter": (
        ONE + END,
        "multipart/form-data; charset=utf-8; boundary = b",
        {"a": b"1"},
    ),
}


@pytest.mark.parametrize(("body", "content_type", "expected"), FORMS.values(), ids=FORMS)
def test_a_form_has_the_fields_between_its_delimiters(
    body: bytes, content_type: str, expected: dict[str, bytes]
) -> None:
    """A delimiter is a whole line; everything else between two of them is head or content."""
    assert expected == {name: part.content for name, part in parts(body, content_type).items()}


NOT_FORMS: dict[str, tuple[bytes, str, int]] = {
    "no fields": (END, TYPE, 400),
    "nothing": (b"", TYPE, 400),
    "no boundary": (ONE + END, "multipart/form-data", 400),
    "an empty boundary": (ONE + END, "multipart/form-data; boundary=", 400),
    "another boundary": (ONE + END, "multipart/form-data; boundary=c", 400),
    "cut off in the content": (ONE + field("b", "2")[:-2], TYPE, 400),
    "cut off before the closing delimiter": (ONE + field("b", "2"), TYPE, 400),
    "cut off in the closing delimiter": (ONE + END[:4], TYPE, 400),
    "cut off in a delimiter": (ONE + b"--b", TYPE, 400),
    "cut off in the headers": (ONE + b"--b\r\nContent-Disp", TYPE, 400),
    "cut off after the headers": (ONE + field("b", "")[:-2], TYPE, 400),
    "a head without an end": (b"--b\r\nContent-Disposition: form-data\r\n" + END, TYPE, 400),
    "another type": (ONE + END, "application/json; boundary=b", 415),
    "a form of a web page": (b"purpose=batch", "application/x-www-form-urlencoded", 415),
    "no type": (ONE + END, "", 415),
}


@pytest.mark.parametrize(("body", "content_type", "status"), NOT_FORMS.values(), ids=NOT_FORMS)
def test_what_is_no_whole_form_is_refused(body: bytes, content_type: str, status: int) -> None:
    """A form that is cut off is an error, never a file that is cut off."""
    refusal, message, param, code = said(lambda: parts(body, content_type))
    assert (refusal, param, code) == (status, None, None)
    assert message.startswith(
        "Could not parse multipart form"
        if status == 400
        else f"Invalid Content-Type header ({content_type}), expected multipart/form-data."
    )


def sent(*heads: str) -> bytes:
    """A form with these heads; the content of the last is `{}`, that of the others `batch`."""
    contents = [*["batch"] * (len(heads) - 1), "{}"]
    pairs = zip(heads, contents, strict=True)
    return b"".join(f"--b\r\n{head}\r\n\r\n{c}\r\n".encode() for head, c in pairs) + END


PURPOSE = 'Content-Disposition: form-data; name="purpose"'

STACKS: dict[str, tuple[bytes, str, str]] = {
    "curl": (
        sent(
            PURPOSE,
            'Content-Disposition: form-data; name="file"; filename="in \\"1\\".jsonl"\r\n'
            "Content-Type: application/octet-stream",
        ),
        TYPE,
        'in "1".jsonl',
    ),
    "a browser, and undici of Node": (
        sent(
            PURPOSE,
            'Content-Disposition: form-data; name="file"; filename="in %221%22.jsonl"\r\n'
            "Content-Type: application/octet-stream",
        ),
        TYPE,
        'in "1".jsonl',
    ),
    "form-data of Node": (
        sent(
            PURPOSE,
            'Content-Disposition: form-data; name="file"; filename="批.jsonl"\r\n'
            "Content-Type: application/octet-stream",
        ),
        TYPE,
        "批.jsonl",
    ),
    "formdata-node": (
        sent(
            PURPOSE,
            'Content-Disposition: form-data; name="file"; filename="in.jsonl"\r\n'
            "Content-Type: application/octet-stream\r\nContent-Length: 2",
        ),
        TYPE,
        "in.jsonl",
    ),
    ".NET with a plain name": (
        sent(
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Disposition: form-data; name=purpose",
            "Content-Disposition: form-data; name=file; filename=in.jsonl; "
            "filename*=utf-8''in.jsonl",
        ),
        'multipart/form-data; boundary="b"',
        "in.jsonl",
    ),
    ".NET with a name beyond ASCII": (
        sent(
            "Content-Disposition: form-data; name=purpose",
            'Content-Disposition: form-data; name=file; filename="=?utf-8?B?5L2g5aW9LnR4dA==?="; '
            "filename*=utf-8''%E4%BD%A0%E5%A5%BD.txt",
        ),
        'multipart/form-data; boundary="b"',
        "你好.txt",
    ),
    "okhttp of Java": (
        sent(
            PURPOSE + "\r\nContent-Length: 5",
            'Content-Disposition: form-data; name="file"; filename="in.jsonl"\r\n'
            "Content-Type: application/jsonl\r\nContent-Length: 2",
        ),
        TYPE,
        "in.jsonl",
    ),
    "Apache HttpClient of Java": (
        sent(
            PURPOSE + "\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n"
            "Content-Transfer-Encoding: 8bit",
            'Content-Disposition: form-data; name="file"; filename="in.jsonl"\r\n'
            "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary",
        ),
        TYPE,
        "in.jsonl",
    ),
    "mime/multipart of Go": (
        sent(
            PURPOSE,
            'Content-Disposition: form-data; name="file"; filename="a\\\\b \\"c\\".jsonl"\r\n'
            "Content-Type: application/octet-stream",
        ),
        TYPE,
        'a\\b "c".jsonl',
    ),
    "aiohttp": (
        sent(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; "
            'name="purpose"',
            "Content-Type: application/octet-stream\r\n"
            'Content-Disposition: form-data; name="file"; filename="in.jsonl"; '
            "filename*=UTF-8''z%C3%BCrich.jsonl",
        ),
        TYPE,
        "zürich.jsonl",
    ),
    "multipart-post of Ruby": (
        sent(
            PURPOSE,
            'Content-Disposition: form-data; name="file"; filename="in.jsonl"\r\n'
            "Content-Length: 2\r\nContent-Type: application/jsonl\r\n"
            "Content-Transfer-Encoding: binary",
        ),
        TYPE,
        "in.jsonl",
    ),
    "Guzzle of PHP": (
        sent(
            PURPOSE + "\r\nContent-Length: 5",
            'Content-Disposition: form-data; name="file"; filename="in.jsonl"\r\n'
            "Content-Length: 2\r\nContent-Type: text/plain",
        ),
        TYPE,
        "in.jsonl",
    ),
    "reqwest of Rust": (
        sent(
            PURPOSE,
            "Content-Disposition: form-data; name=\"file\"; filename*=utf-8''a%3B%20b.jsonl",
        ),
        TYPE,
        "a; b.jsonl",
    ),
    "a path of Windows, not escaped": (
        sent(PURPOSE, 'Content-Disposition: form-data; name="file"; filename="C:\\new\\in.jsonl"'),
        TYPE,
        "C:\\new\\in.jsonl",
    ),
    "a head over several lines": (
        sent(PURPOSE, 'Content-Disposition: form-data;\r\n name="file";\r\n\tfilename="in.jsonl"'),
        TYPE,
        "in.jsonl",
    ),
    "blanks around the equals signs": (
        sent(PURPOSE, 'Content-Disposition: form-data ; name = "file" ; filename = in.jsonl'),
        TYPE,
        "in.jsonl",
    ),
    "parameters in capitals": (
        sent(PURPOSE, 'Content-Disposition: form-data; Name="file"; FileName="in.jsonl"'),
        TYPE,
        "in.jsonl",
    ),
    "the extended name first": (
        sent(
            PURPOSE,
            "Content-Disposition: form-data; filename*=UTF-8'en'a.jsonl; filename=b.jsonl; "
            "name=file",
        ),
        TYPE,
        "a.jsonl",
    ),
    "an extended name in Latin-1": (
        sent(PURPOSE, "Content-Disposition: form-data; name=file; filename*=iso-8859-1''z%FCrich"),
        TYPE,
        "zürich",
    ),
}


@pytest.mark.parametrize(("body", "content_type", "filename"), STACKS.values(), ids=STACKS)
def test_the_form_of_every_http_library_is_read(
    body: bytes, content_type: str, filename: str
) -> None:
    """Names may be quoted, bare, escaped, percent-encoded or extended (RFC 5987, which wins)."""
    assert parts(body, content_type) == {
        "purpose": Part("purpose", None, b"batch"),
        "file": Part("file", filename, b"{}"),
    }


@pytest.mark.parametrize("module", [httpx, httpx2])
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("blocks", [1, 2, 3], ids=["one block", "two blocks", "three blocks"])
def test_a_form_in_pieces_is_read_as_the_whole_one(
    module: Any, content: bytes, blocks: int
) -> None:
    """The stream of httpx, whatever blocks a file is read in, says what its joined form says."""
    request = module.Request("POST", URL, data=FORM, files={"file": ("in.jsonl", content)})
    pieces = [*request.stream]
    if content:
        at, size = pieces.index(content), -(-len(content) // blocks)
        pieces[at : at + 1] = [content[start:][:size] for start in range(0, len(content), size)]

    assert parts(pieces, request.headers["content-type"]) == {
        "purpose": Part("purpose", None, b"batch"),
        "file": Part("file", "in.jsonl", content),
    }


def test_a_file_in_one_piece_is_not_copied() -> None:
    """It is the very object that the stream gave."""
    content = b"{}\n" * 1000
    request: Any = httpx.Request("POST", URL, data=FORM, files={"file": content})
    assert parts([*request.stream], request.headers["content-type"])["file"].content is content
