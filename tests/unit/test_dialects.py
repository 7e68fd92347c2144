from __future__ import annotations

from string import Formatter

import pytest

from fakebatch.batch.input_file import ASKS
from fakebatch.batch.result_files import UNFINISHED
from fakebatch.dialects import DIALECTS, Dialect, Flaw, Reason

ALL = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


@ALL
def test_a_dialect_has_words_for_everything(dialect: Dialect) -> None:
    """Whatever the service may refuse, find or lose, the provider can say it."""
    assert set(Reason) == set(dialect.refusals)
    assert set(Flaw) == set(dialect.flaws)
    assert set(UNFINISHED.values()) <= set(dialect.lost_lines)


@ALL
def test_a_dialect_speaks_in_templates_that_name_their_facts(dialect: Dialect) -> None:
    """Every template parses, and has no field without a name."""
    for words in (*dialect.refusals.values(), *dialect.flaws.values()):
        for template in (words.message, words.param or ""):
            assert all(name != "" for _, name, _, _ in Formatter().parse(template))


@ALL
def test_a_dialect_knows_what_its_endpoints_ask_for(dialect: Dialect) -> None:
    """For each endpoint of a batch it is known what the body of a line must hold."""
    assert set(dialect.endpoints) <= set(ASKS)


@ALL
def test_a_window_and_a_snapshot_are_looked_up(dialect: Dialect) -> None:
    """A window is its length in microseconds; a model without a snapshot is its own."""
    for window, seconds in dialect.windows.items():
        assert dialect.window(window) == seconds * 1_000_000
    assert dialect.snapshot("nobody-knows-me") == "nobody-knows-me"
