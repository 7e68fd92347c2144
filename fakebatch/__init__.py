"""fakebatch: the OpenAI Batch API, offline and in virtual time, for tests of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakebatch.batch.input_file import request_line
    from fakebatch.emulator import Emulator
    from fakebatch.errors import FakeBatchError, FakeBatchWarning, RefusedRequest, UsageError
    from fakebatch.fake import FakeBatch
    from fakebatch.in_process import run_gauntlet
    from fakebatch.inspection.journal import Journal
    from fakebatch.inspection.objects import BatchView as Batch
    from fakebatch.inspection.objects import FileView as File
    from fakebatch.request_lines import RequestLine
    from fakebatch.rules.scenario import Scenario
    from fakebatch.server.remote import Remote, connect
    from fakebatch.vtime.clock import Clock

__version__: str

__all__ = [
    "Batch",
    "Clock",
    "Emulator",
    "FakeBatch",
    "FakeBatchError",
    "FakeBatchWarning",
    "File",
    "Journal",
    "RefusedRequest",
    "Remote",
    "RequestLine",
    "Scenario",
    "UsageError",
    "connect",
    "request_line",
    "run_gauntlet",
]

_HOMES = {
    "Batch": "inspection.objects:BatchView",
    "Clock": "vtime.clock:Clock",
    "Emulator": "emulator:Emulator",
    "FakeBatch": "fake:FakeBatch",
    "FakeBatchError": "errors:FakeBatchError",
    "FakeBatchWarning": "errors:FakeBatchWarning",
    "File": "inspection.objects:FileView",
    "Journal": "inspection.journal:Journal",
    "RefusedRequest": "errors:RefusedRequest",
    "Remote": "server.remote:Remote",
    "RequestLine": "request_lines:RequestLine",
    "Scenario": "rules.scenario:Scenario",
    "UsageError": "errors:UsageError",
    "connect": "server.remote:connect",
    "request_line": "batch.input_file:request_line",
    "run_gauntlet": "in_process:run_gauntlet",
}


def __getattr__(name: str) -> object:
    # lazy: every pytest run of the environment imports the plugin, but few use it
    from importlib import import_module, metadata  # noqa: PLC0415

    if name == "__version__":
        return metadata.version("fakebatch")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(f"fakebatch.{module}"), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
