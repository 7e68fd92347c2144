"""Modules of a user's project that bind and see the names of time, in tests of what they mean."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
import time
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

BINDS = "from datetime import date, datetime\nfrom time import monotonic, sleep, time as now\n"
SEES = f"import datetime as dt\n{BINDS}seen = dt.datetime, dt.date, datetime, date\n"
REAL = {
    "date": dt.date,
    "datetime": dt.datetime,
    "monotonic": time.monotonic,
    "now": time.time,
    "sleep": time.sleep,
}
REAL_CLASSES = dt.datetime, dt.date
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def is_real(module: Any) -> bool:
    return all(vars(module)[name] is real for name, real in REAL.items())


def is_virtual(module: Any, at: dt.datetime = AT) -> bool:
    assert module.sleep is not REAL["sleep"]
    assert module.monotonic is not REAL["monotonic"]
    assert module.date.today() == at.date()
    assert module.now() == at.timestamp()
    return bool(module.datetime.now(dt.UTC) == at)


class Project:
    """Modules of the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, source: str) -> Path:
        *packages, module = name.split(".")
        folder = self.folder
        for package in packages:
            folder /= package
            folder.mkdir(exist_ok=True)
            (folder / "__init__.py").touch()
        file = folder / f"{module}.py"
        file.write_text(source)
        importlib.invalidate_caches()
        return file

    def load(self, name: str, source: str) -> Any:
        self.write(name, source)
        top = name.partition(".")[0]
        for loaded in [key for key in sys.modules if key.partition(".")[0] == top]:
            del sys.modules[loaded]  # the true one may be installed
        return importlib.import_module(name.removesuffix(".__init__"))


def by_hand(project: Project) -> Callable[[], Any]:
    spec: Any = spec_from_file_location("late", project.write("late", SEES))
    module = module_from_spec(spec)

    def execute() -> ModuleType:
        spec.loader.exec_module(module)
        return module

    return execute
