"""The contract table, against the emulator; with --live against the real service."""

from __future__ import annotations

import pytest

from support.client import Driver
from support.contract_table import CASES, Case
from support.live import Record


@pytest.mark.live
@pytest.mark.parametrize("name", CASES)
def test_the_service_says(service: Driver, name: str, record: Record) -> None:
    """Status and whole body of each call are those of the table."""
    case: Case = CASES[name]
    got = case.ask(service)
    record.note(name, case.expected, got)

    assert got == case.expected
