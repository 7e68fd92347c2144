"""With pytest-randomly: while a fake is active, `random` keeps the seed of the fake."""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Switch off the reseeding of pytest-randomly, by its own option, while a fake is active."""
    __tracebackhide__ = True  # an error of any fixture passes through here
    module, options = sys.modules.get("fakebatch.fake"), item.config.option
    is_active = module is not None and bool(module.entered_in)
    if not is_active or not getattr(options, "randomly_reset_seed", None):
        return (yield)
    options.randomly_reset_seed = False
    try:
        return (yield)
    finally:
        options.randomly_reset_seed = True


pytest_runtest_call = pytest_runtest_teardown = pytest_runtest_setup
