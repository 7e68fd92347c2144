"""Whatever runs the tests keeps real time, and works as ever."""

from __future__ import annotations

import re

import pytest

CONFTEST = """
    import pytest
    from fakebatch.vtime import Clock

    @pytest.fixture
    def clock():
        clock = Clock()
        clock.start()
        yield clock
        clock.stop()
"""


@pytest.fixture(autouse=True)
def conftest(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")


def run(pytester: pytest.Pytester, source: str, *options: str, **outcomes: int) -> pytest.RunResult:
    pytester.makepyfile(source)
    result = pytester.runpytest_subprocess("-p", "no:randomly", *options, timeout=60)
    result.assert_outcomes(**(outcomes or {"passed": 1}))
    return result


def test_durations_are_real(pytester: pytest.Pytester) -> None:
    """A test that sleeps for a day is reported as the instant it took."""
    result = run(
        pytester,
        """
        import time

        def test_day(clock):
            time.sleep(86_400)
            assert time.monotonic() and time.perf_counter()
        """,
        "--durations=3",
        "-vv",
    )

    output = result.stdout.str()
    durations = re.findall(r"^(\d+\.\d+)s (?:call|setup|teardown)", output, re.MULTILINE)
    assert len(durations) == 3
    assert max(map(float, durations)) < 30
    assert float(re.findall(r"in (\d+\.\d+)s", output)[-1]) < 60


@pytest.mark.parametrize("method", ["signal", "thread"])
@pytest.mark.parametrize("only", ["false", "true"])
def test_pytest_timeout_counts_real_seconds(
    pytester: pytest.Pytester, method: str, only: str
) -> None:
    """A timeout of 30 s outlives virtual days, also when its timer starts inside the clock."""
    run(
        pytester,
        """
        import threading, time

        def test_days(clock):
            time.sleep(86_400)
            threading.Event().wait(86_400)
            assert clock.elapsed == 172_800
        """,
        "--timeout=30",
        f"--timeout-method={method}",
        "-o",
        f"timeout_func_only={only}",
    )


def test_pytest_timeout_still_ends_a_hang(pytester: pytest.Pytester) -> None:
    """A thread blocked in real time is ended by the real timeout."""
    run(
        pytester,
        """
        import threading

        def test_hang(clock):
            lock = threading.Lock()
            lock.acquire()
            lock.acquire()
        """,
        "--timeout=1",
        "--timeout-method=signal",
        failed=1,
    )


def test_xdist_workers_have_a_clock_each(pytester: pytest.Pytester) -> None:
    """Threads of execnet live beside the clock and are left alone."""
    run(
        pytester,
        """
        import threading, time
        import pytest

        @pytest.mark.parametrize("hours", range(4))
        def test_hours(clock, hours):
            thread = threading.Thread(target=time.sleep, args=(3600 * hours,))
            thread.start()
            thread.join()
            assert clock.elapsed == 3600 * hours
        """,
        "-n2",
        passed=4,
    )


def test_order_at_random_changes_nothing(pytester: pytest.Pytester) -> None:
    """pytest-randomly seeds and shuffles as ever."""
    pytester.makepyfile(
        """
        import random, time
        import pytest

        @pytest.mark.parametrize("n", range(5))
        def test_sleep(clock, n):
            time.sleep(random.randrange(1, 10))
            assert 1 <= clock.elapsed < 10
        """
    )
    result = pytester.runpytest_subprocess("-p", "randomly", "-p", "no:xdist", timeout=60)
    result.assert_outcomes(passed=5)


@pytest.mark.parametrize("mode", ["auto", "strict"])
@pytest.mark.parametrize("scope", ["function", "session"])
def test_pytest_asyncio_sleeps_in_virtual_time(
    pytester: pytest.Pytester, mode: str, scope: str
) -> None:
    """In both modes, also on a loop that lives longer than the clock."""
    run(
        pytester,
        f"""
        import asyncio, time
        import pytest

        pytestmark = pytest.mark.asyncio(loop_scope="{scope}")

        async def test_before():
            begin = time.monotonic()
            await asyncio.sleep(0.01)
            assert time.monotonic() - begin < 30

        async def test_hour(clock):
            await asyncio.sleep(1800)
            await asyncio.to_thread(time.sleep, 1800)
            assert clock.elapsed == 3600

        async def test_hour_again(clock):
            await asyncio.wait_for(asyncio.to_thread(time.sleep, 1800), 3000)
            await asyncio.sleep(1800)
            assert clock.elapsed == 3600

        async def test_after():
            begin = time.monotonic()
            await asyncio.sleep(0.01)
            assert 0.005 < time.monotonic() - begin < 30
        """,
        "-o",
        f"asyncio_mode={mode}",
        passed=4,
    )


def test_anyios_plugin_sleeps_in_virtual_time(pytester: pytest.Pytester) -> None:
    """On both of its backends, with threads, and in a runner that lives longer than the clock."""
    run(
        pytester,
        """
        import time
        import anyio, anyio.to_thread
        import pytest

        @pytest.fixture(scope="module", params=["asyncio", "trio"])
        def anyio_backend(request):
            return request.param

        @pytest.fixture(scope="module")
        async def service(anyio_backend):
            await anyio.sleep(0.001)
            yield
            await anyio.sleep(0.001)

        @pytest.mark.anyio
        async def test_hour(service, clock):
            with anyio.move_on_after(3600):
                await anyio.sleep_forever()
            async with anyio.create_task_group() as tasks:
                for seconds in (60, 40):
                    tasks.start_soon(anyio.to_thread.run_sync, time.sleep, seconds)
                tasks.start_soon(anyio.sleep, 50)
            assert clock.elapsed == 3660

        @pytest.mark.anyio
        async def test_after(service):
            begin = time.monotonic()
            await anyio.sleep(0.01)
            assert 0.005 < time.monotonic() - begin < 30
        """,
        passed=4,
    )


def test_hypothesis_measures_real_time(pytester: pytest.Pytester) -> None:
    """Examples that sleep for days miss no deadline and stop no search."""
    run(
        pytester,
        """
        import time
        from hypothesis import HealthCheck, given, settings, strategies

        @given(strategies.integers(1, 86_400))
        @settings(
            deadline=10_000,
            max_examples=50,
            suppress_health_check=[HealthCheck.function_scoped_fixture],
        )
        def test_days(clock, seconds):
            before = clock.elapsed
            time.sleep(seconds)
            assert clock.elapsed - before == seconds
        """,
        "-p",
        "no:cacheprovider",
    )
