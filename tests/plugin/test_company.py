"""The plugin beside other plugins, switched off, and under a wider fixture of one's own."""

from __future__ import annotations

import openai
import pytest

from fakebatch import FakeBatch
from fakebatch.fake import KEYWORDS

UPLOAD = 'openai.OpenAI().files.create(file=b"{}", purpose="user_data").id'
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-p", "no:randomly"], id="in order"),
        pytest.param(["-p", "randomly", "-p", "no:cacheprovider"], id="in random order"),
        pytest.param(["-n", "2"], id="on two workers of xdist"),
    ],
)
def test_each_test_has_a_world_of_its_own(pytester: pytest.Pytester, options: list[str]) -> None:
    """Same seed, same id, whatever ran before, and wherever."""
    with FakeBatch(seed=7):
        id_ = openai.OpenAI().files.create(file=b"{}", purpose="user_data").id
    pytester.makeini(INI)
    pytester.makepyfile(f"""
        import openai, pytest

        @pytest.mark.fakebatch(seed=7)
        @pytest.mark.parametrize("number", range(6))
        def test_upload(number, fakebatch):
            assert {UPLOAD} == "{id_}"
            assert list(fakebatch.files) == ["{id_}"]
    """)

    pytester.runpytest_inprocess(*options).assert_outcomes(passed=6)


def test_a_wider_fixture_of_ones_own_and_the_inner_one(pytester: pytest.Pytester) -> None:
    """`with FakeBatch()` in a session fixture serves all; the function's own wins while it is."""
    pytester.makeini(INI)
    pytester.makepyfile(f"""
        import openai, pytest
        from fakebatch import FakeBatch

        @pytest.fixture(scope="session", autouse=True)
        def wide():
            with FakeBatch() as fake:
                yield fake

        def test_wide(wide):
            assert [{UPLOAD}] == list(wide.files)

        def test_inner(wide, fakebatch):
            assert [{UPLOAD}] == list(fakebatch.files)
            assert len(wide.files) == 1

        def test_wide_again(wide):
            assert {UPLOAD} in wide.files
            assert len(wide.files) == 2
    """)

    pytester.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=3)


def test_it_can_be_switched_off(pytester: pytest.Pytester) -> None:
    """`-p no:fakebatch` takes fixture and marker away, and leaves everything else alone."""
    pytester.makeini(INI)
    pytester.makepyfile("def test_it(fakebatch): pass\n\ndef test_other(): pass")
    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:fakebatch")

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["E       fixture 'fakebatch' not found"])


def test_the_marker_is_known(pytester: pytest.Pytester) -> None:
    """`pytest --markers` shows every keyword that it takes."""
    pytester.makeini(INI)
    result = pytester.runpytest_inprocess("--markers")

    keywords = ", ".join(f"{name}=..." for name in KEYWORDS)
    result.stdout.fnmatch_lines([f"@pytest.mark.fakebatch({keywords}): *"])
