"""A suite that was written for a mock server at an address of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = """
import openai, pytest
from fakebatch import FakeBatch, request_line

BASE_URL = "http://127.0.0.1:4010"

@pytest.fixture(autouse=True)
def mock_server():
    with FakeBatch(base_url=BASE_URL) as fake:
        fake.files.add([request_line("a", "hi")], id="file_id")
        fake.batches.add("file_id", id="batch_id", status="validating", created="-0s")
        fake.uploads.add(id="upload_id", parts={"part_id": b"hi"}, purpose="user_data")
        yield fake

@pytest.fixture(scope="session")
def client():
    with openai.OpenAI(base_url=BASE_URL, api_key="k", max_retries=0) as client:
        yield client

@pytest.fixture(scope="session")
def async_client():
    return openai.AsyncOpenAI(base_url=BASE_URL, api_key="k", max_retries=0)
"""

SUITE = """
import asyncio, pytest

CALLS = {
    "files.create": lambda client: client.files.create(file=b"Example data", purpose="assistants"),
    "files.retrieve": lambda client: client.files.retrieve("file_id"),
    "files.list": lambda client: client.files.list(after="file_id", order="asc"),
    "files.content": lambda client: client.files.content("file_id"),
    "files.delete": lambda client: client.files.delete("file_id"),
    "batches.create": lambda client: client.batches.create(
        input_file_id="file_id", endpoint="/v1/responses", completion_window="24h"
    ),
    "batches.retrieve": lambda client: client.batches.retrieve("batch_id"),
    "batches.list": lambda client: client.batches.list(after="batch_id", limit=1),
    "batches.cancel": lambda client: client.batches.cancel("batch_id"),
    "uploads.create": lambda client: client.uploads.create(
        bytes=1, filename="filename", mime_type="mime_type", purpose="assistants"
    ),
    "uploads.parts.create": lambda client: client.uploads.parts.create("upload_id", data=b"data"),
    "uploads.complete": lambda client: client.uploads.complete("upload_id", part_ids=["part_id"]),
    "uploads.cancel": lambda client: client.uploads.cancel("upload_id"),
}
calls = pytest.mark.parametrize("name", CALLS)

@calls
def test_method(client, name):
    CALLS[name](client)

@calls
def test_raw_response(client, name):
    assert CALLS[name](client.with_raw_response).http_response.is_success

@calls
def test_streaming_response(client, name):
    with CALLS[name](client.with_streaming_response) as response:
        assert not response.is_closed
        assert response.http_request.headers["authorization"] == "Bearer k"
    assert response.is_closed

@calls
def test_async_method(async_client, name):
    async def call():
        return await CALLS[name](async_client)

    asyncio.run(call())
"""


def test_a_suite_for_a_mock_server_needs_none(pytester: pytest.Pytester) -> None:
    """Literal ids are there for each test anew, also for a client that outlives the fake."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_inprocess("-p", "no:asyncio", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=4 * 13)


MOCKED = """
import httpx, pytest, respx
from conftest import BASE_URL

@pytest.fixture(name=FIXTURE)
def copy_of_respx():
    with respx.mock as router:
        yield router

def test_mocked(FIXTURE):
    FIXTURE.get(f"{BASE_URL}/files/file_id").respond(json={"foo": "bar"})
    assert httpx.get(f"{BASE_URL}/files/file_id").json() == {"foo": "bar"}
"""


@pytest.mark.parametrize("fixture", ["respx_mock", "respx2_mock"])
def test_the_recipe_leaves_a_test_with_routes_of_its_own_alone(
    fixture: str, pytester: pytest.Pytester
) -> None:
    """Of respx, and of the copy that the SDK's own tests have."""
    pages = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text().split("```python\n")
    [recipe] = [page.partition("```")[0] for page in pages if "def mock_server" in page]
    pytester.makeconftest(recipe)
    named = MOCKED.replace("name=FIXTURE", f"name={fixture!r}").replace("FIXTURE", fixture)
    pytester.makepyfile(named)
    result = pytester.runpytest_inprocess("-p", "no:asyncio", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
