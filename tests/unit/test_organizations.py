"""Organizations: keys of two never see each other's files and batches."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import openai
import pytest

from fakebatch import Emulator, FakeBatch, UsageError
from fakebatch.wire import Reply, Request
from support.batches import CHAT, T0, requests
from support.calling import FORM, form

ORGANIZATIONS = {"sk-a": "one", "sk-b": "two", "sk-a2": "one"}


class Caller:
    """Sends requests with one key."""

    def __init__(self, emulator: Emulator, key: str) -> None:
        self.emulator, self.headers = emulator, {"authorization": f"Bearer {key}"}

    def __call__(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Any:
        headers = {**self.headers, **headers}
        request = Request(method, f"/v1{path}", {}, headers, body, host="api.openai.com")
        reply = self.emulator.handle(request)
        return json.loads(reply.body) if reply.status == 200 else reply.status

    def create(self) -> str:
        file = self("/files", "POST", form(requests(1), purpose="batch"), **FORM)["id"]
        params = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"}
        return str(self("/batches", "POST", json.dumps(params).encode())["id"])


def callers(**options: Any) -> tuple[Emulator, dict[str, Caller]]:
    emulator = Emulator(clock=lambda: T0, organizations=ORGANIZATIONS, **options)
    return emulator, {key: Caller(emulator, key) for key in (*ORGANIZATIONS, "sk-x", "sk-y")}


SEES = {
    "sk-a": {"sk-a", "sk-a2"},
    "sk-b": {"sk-b"},
    "sk-a2": {"sk-a", "sk-a2"},
    "sk-x": {"sk-x", "sk-y"},
}


@pytest.mark.parametrize(("owner", "sees"), SEES.items(), ids=SEES)
def test_only_keys_of_the_same_organization_see_a_batch(owner: str, sees: set[str]) -> None:
    """Others get a 404 and empty lists; keys without an entry share one more organization."""
    _, keys = callers()
    batch = keys[owner].create()
    for key, call in keys.items():
        if key in sees:
            assert call(f"/batches/{batch}")["id"] == batch
        else:
            assert call(f"/batches/{batch}") == 404
        assert len(call("/batches")["data"]) == len(call("/files")["data"]) == (key in sees)


def test_a_file_of_another_organization_cannot_be_the_input_of_a_batch() -> None:
    """The batch fails as with a file that does not exist."""
    emulator, keys = callers()
    keys["sk-a"].create()
    [file] = emulator.files
    params = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"}
    made = keys["sk-b"]("/batches", "POST", json.dumps(params).encode())
    assert emulator.batches[made["id"]].plan[-1].status == "failed"


@pytest.mark.parametrize("key", [*ORGANIZATIONS, "sk-x", ""])
@pytest.mark.parametrize("owner", [*ORGANIZATIONS, "sk-x"])
def test_a_signed_url_of_a_result_file_needs_no_key(owner: str, key: str) -> None:
    """Nor one of the same organization: who has the URL has the file, before anybody has looked."""
    now = [T0]
    emulator = Emulator(
        clock=lambda: now[0], dialect="siliconflow", organizations=ORGANIZATIONS, api_keys=["sk-x"]
    )
    base = urlsplit(emulator.base_url)

    def send(path: str, key: str, method: str = "GET", body: bytes = b"", **headers: str) -> Reply:
        url = urlsplit(path)
        headers |= {"authorization": f"Bearer {key}"} if key else {}
        query = dict(parse_qsl(url.query))
        return emulator.handle(Request(method, url.path, query, headers, body, host=base.netloc))

    upload = send(f"{base.path}/files", owner, "POST", form(requests(1), purpose="batch"), **FORM)
    file = json.loads(upload.body)["data"]["id"]
    params = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"}
    created = send(f"{base.path}/batches", owner, "POST", json.dumps(params).encode())
    now[0] += 3_600 * 1_000_000
    batch = json.loads(send(f"{base.path}/batches/{json.loads(created.body)['id']}", owner).body)
    url = urlsplit(batch["output_file_id"])
    assert send(f"{url.path}?{url.query}", key).status == 200
    assert send(f"{url.path}?{url.query}x", "").status == 401
    assert (send(url.path, key or "sk-z").status == 200) is (
        ORGANIZATIONS.get(key, key) == ORGANIZATIONS.get(owner, owner)
    )


def test_the_test_sees_all_of_them() -> None:
    """Files, batches, checks, rules and snapshots are of all organizations."""
    emulator, keys = callers()
    saved = emulator.snapshot()
    rule = emulator.on_call("batches.create").reply("no", status=200, applied=True)
    for key in ("sk-a", "sk-b", "sk-x"):
        with pytest.raises(json.JSONDecodeError):
            keys[key].create()
    assert rule.hits == len(emulator.batches) == len(emulator.files) == 3
    assert len({*emulator.batches}) == 3
    emulator.restore(saved)
    assert not emulator.files


def test_keys_of_organizations_are_accepted_beside_api_keys() -> None:
    """Every other key is wrong."""
    _, keys = callers(api_keys=["sk-x"])
    codes = {key: call("/models") for key, call in keys.items()}
    assert [key for key, code in codes.items() if code == 401] == ["sk-y"]


def test_ids_do_not_depend_on_them() -> None:
    """A test that adds organizations keeps the ids of its other keys."""
    _, keys = callers()
    alone = Caller(Emulator(clock=lambda: T0), "sk-x")
    assert keys["sk-x"].create() == alone.create()


def test_several_providers_have_them_too() -> None:
    """Each key has its own of every provider."""
    emulator = Emulator(dialects=["openai", "groq"], organizations={"sk-a": "one"})
    assert len(emulator.dialects) == 2
    for host, base in (("api.openai.com", "/v1"), ("api.groq.com", "/openai/v1")):
        seen = []
        for key in ("sk-a", "sk-x"):
            headers = {"authorization": f"Bearer {key}", **FORM}
            body = form(requests(1), purpose="batch")
            emulator.handle(Request("POST", f"{base}/files", {}, headers, body, host=host))
            reply = emulator.handle(Request("GET", f"{base}/files", {}, headers, host=host))
            seen.append(len(json.loads(reply.body)["data"]))
        assert seen == [1, 1]


def test_the_sdk_with_two_keys() -> None:
    """As in a test of a service for several tenants."""
    with FakeBatch(organizations={"sk-a": "one", "sk-b": "two"}):
        one, two = openai.OpenAI(api_key="sk-a"), openai.OpenAI(api_key="sk-b")
        file = one.files.create(file=("in.jsonl", requests(1)), purpose="batch")
        with pytest.raises(openai.NotFoundError):
            two.files.retrieve(file.id)


def test_organizations_are_a_mapping() -> None:
    """Of key to name."""
    with pytest.raises(UsageError, match="organizations=\\['sk-a'\\] is not a mapping"):
        Emulator(organizations=["sk-a"])  # type: ignore[arg-type]
