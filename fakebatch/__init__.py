"""fakebatch: the OpenAI Batch API, offline and in virtual time, for tests of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakebatch.batch.input_file import request_line
    from fakebatch.emulator import Emulator
    from fakebatch.errors import FakeBatchError, FakeBatchWarning, RefusedRequest, UsageError
    from fakebatch.fake import FakeBatch
    from fakebatch.request_lines import RequestLine
    from fakebatch.rules.scenario import Scenario

__all__ = [
    "Emulator",
    "FakeBatch",
    "FakeBatchError",
    "FakeBatchWarning",
    "RefusedRequest",
    "RequestLine",
    "Scenario",
    "UsageError",
    "request_line",
]

_HOMES = {
    "Emulator": "fakebatch.emulator",
    "FakeBatch": "fakebatch.fake",
    "FakeBatchError": "fakebatch.errors",
    "FakeBatchWarning": "fakebatch.errors",
    "UsageError": "fakebatch.errors",
    "RefusedRequest": "fakebatch.errors",
    "RequestLine": "fakebatch.request_lines",
    "Scenario": "fakebatch.rules.scenario",
    "request_line": "fakebatch.batch.input_file",
}


def __getattr__(name: str) -> object:
    # lazy: every pytest run of the environment imports the plugin, but few use it
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_HOMES[name]), name)
