"""The same sequence of operations by every way to the emulator; tests/differential.py runs more."""

from __future__ import annotations

import pytest

from support.sequences import difference, observations
from support.ways import WAYS

[FIRST, *OTHERS] = WAYS


@pytest.mark.untyped
@pytest.mark.parametrize("seed", range(20))
def test_every_way_shows_a_client_the_same(seed: int) -> None:
    """Statuses, bodies, errors, journal, virtual time and files: all but the text of errors."""
    expected = observations(seed, FIRST)
    for way in OTHERS:
        assert difference(expected, observations(seed, way)) is None, way
