"""Who answers first: the test's own routers, emulated base URLs, loopback; whatever the order."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import httpx
import httpx2
import pytest
import respx

from fakebatch import FakeBatch, RefusedRequest

BATCHES = "https://api.openai.com/v1/batches"
FILES = "https://api.openai.com/v1/files"
ELSEWHERE = "https://example.com/things"
OUTER = "https://outer.example/v1"
KEY = {"Authorization": "Bearer sk-some-key"}


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "theirs first"])
@pytest.mark.parametrize(
    ("using", "module"), [("httpcore", httpx), ("httpx", httpx), ("httpcore2", httpx2)]
)
def test_a_router_of_the_test_comes_first(ours_first: bool, using: str, module: Any) -> None:
    """Its routes answer, and emulated base URLs what they leave, whichever began first."""
    theirs = respx.mock(assert_all_called=False, using=using)
    theirs.get(ELSEWHERE).respond(204)
    theirs.get(BATCHES).respond(418)
    both: list[AbstractContextManager[Any]] = [FakeBatch(), theirs]
    first, second = both if ours_first else both[::-1]
    with first, second:
        assert module.get(ELSEWHERE).status_code == 204
        assert module.get(BATCHES, headers=KEY).status_code == 418
        assert module.get(FILES, headers=KEY).status_code == 200


def test_a_fixture_of_respx_may_come_before(respx_mock: Any, fakebatch: FakeBatch) -> None:
    """`respx_mock` answers what it was told to; the rest of the world is refused."""
    respx_mock.get(ELSEWHERE).respond(204)
    assert httpx.get(ELSEWHERE).status_code == 204
    assert httpx.get(BATCHES, headers=KEY).status_code == 200
    with pytest.raises(RefusedRequest, match=r"https://example\.com/others was refused"):
        httpx.get("https://example.com/others")


def test_a_fixture_of_respx_may_come_after(fakebatch: FakeBatch, httpx2_mock: Any) -> None:
    """`httpx2_mock` answers httpx2 alone."""
    httpx2_mock.get(ELSEWHERE).respond(204)
    assert httpx2.get(ELSEWHERE).status_code == 204
    assert httpx2.get(BATCHES, headers=KEY).status_code == 200
    with pytest.raises(RefusedRequest):
        httpx.get(ELSEWHERE)


WITHOUT_PLUGIN = f"""
from contextlib import suppress
import httpx2, respx

def test_it(fakebatch):
    with respx.mock(using="httpcore2") as router:
        router.get("{ELSEWHERE}").respond(204)
        assert httpx2.get("{ELSEWHERE}").status_code == 204
        assert httpx2.get("{BATCHES}", headers={KEY}).status_code == 200
    with suppress(ModuleNotFoundError):  # a TypeError, if our mocker had taken the name
        import pytest_httpx2
"""


@pytest.mark.parametrize(
    "conftest", ["", "import sys\nsys.modules['pytest_httpx2'] = None"], ids=["installed", "not"]
)
def test_pytest_httpx2_is_not_needed(pytester: pytest.Pytester, conftest: str) -> None:
    """httpx2 is answered, and has routes of its own, where its plugin is off or not there."""
    pytester.makeconftest(conftest)
    pytester.makepyfile(WITHOUT_PLUGIN)
    pytester.runpytest_subprocess("-p", "no:pytest_httpx2").assert_outcomes(passed=1)


@respx.mock
def test_a_decorator_of_respx_fits(fakebatch: FakeBatch) -> None:
    """The global router, begun when the function is called."""
    route = respx.get(ELSEWHERE).respond(204)
    assert httpx.get(ELSEWHERE).status_code == 204
    assert httpx.get(BATCHES, headers=KEY).status_code == 200
    assert route.call_count == 1


def test_a_router_that_answers_everything_answers_the_rest(fakebatch: FakeBatch) -> None:
    """`assert_all_mocked=False` has an answer for every host but the emulated ones."""
    with respx.mock(assert_all_mocked=False):
        assert httpx.get(ELSEWHERE).content == b""
        assert httpx.get(BATCHES, headers=KEY).json()["data"] == []


def test_a_test_s_router_is_asked_before_loopback_passes(
    respx_mock: Any, fakebatch: FakeBatch
) -> None:
    """A mock of this machine is no request to it; where it passes through, it is one."""
    respx_mock.get("http://localhost:9/mocked").respond(204)
    respx_mock.get("http://localhost:9/real").pass_through()
    assert httpx.get("http://localhost:9/mocked").status_code == 204
    with pytest.raises(httpx.ConnectError):
        httpx.get("http://localhost:9/real")


def test_the_innermost_fake_answers() -> None:
    """Of two for the same base URL the inner one; for another base URL the outer one still."""
    with FakeBatch(base_url=OUTER) as outer, FakeBatch() as middle:
        with FakeBatch() as inner:
            httpx.get(BATCHES, headers=KEY)
            httpx2.get(f"{OUTER}/batches", headers=KEY)
            assert [_calls(fake) for fake in (outer, middle, inner)] == [1, 0, 1]
        httpx.get(BATCHES, headers=KEY)
        assert [_calls(fake) for fake in (outer, middle, inner)] == [1, 1, 1]


def test_a_refusal_inside_an_inner_fake_is_one_refusal() -> None:
    """What neither knows is refused by the inner one, and not told again by the outer."""
    with FakeBatch(base_url=OUTER), FakeBatch(), pytest.raises(RefusedRequest, match="was refused"):
        httpx.get(ELSEWHERE)


def test_a_fake_can_be_entered_again() -> None:
    """One after the other: what it knows it still knows."""
    fake = FakeBatch()
    for _ in range(2):
        with fake:
            httpx.get(BATCHES, headers=KEY)

    assert _calls(fake) == 2


def _calls(fake: FakeBatch) -> int:
    return fake.router["batches.list"].call_count


def test_a_router_nearer_to_the_client_lets_go_what_is_not_its_own(fakebatch: FakeBatch) -> None:
    """Under `using="httpx"` too, in-process transports answer and other hosts are refused."""
    transport = httpx.MockTransport(lambda _: httpx.Response(202))
    with respx.mock(using="httpx"), httpx.Client(transport=transport) as client:
        assert client.get(ELSEWHERE).status_code == 202
        with pytest.raises(RefusedRequest):
            httpx.get(ELSEWHERE)
