"""The same sequence of operations by every way to the emulator; tests/differential.py runs more."""

from __future__ import annotations

import pytest

from support.sequences import Observation, difference, observations
from support.ways import WAYS


@pytest.mark.untyped
@pytest.mark.parametrize("seed", range(10))
def test_every_way_shows_a_client_the_same(seed: int) -> None:
    """Statuses, bodies, errors, journal, virtual time and files: all but the text of errors.

    Sequences at a socket, and those that they are compared with, lack what takes real time there;
    half as many are enough here.
    """
    expected: dict[bool, list[Observation]] = {}
    for name, way in WAYS.items():
        if way.as_at_socket and seed % 2:
            continue
        observed = observations(seed, name)
        first = expected.setdefault(way.as_at_socket, observed)
        assert difference(first, observed) is None, name
