"""The gauntlet over batch clients from PyPI and npm, each in an environment of its own.

    python benchmarks/clients/run.py [NAME ...] [--only INCIDENT ...] [--jobs N]

Installs the clients of clients.toml (kept in the folder for temporary files), runs `fakebatch
gauntlet` over each by its driver, adds the verdicts to results/NAME.json and writes
docs/clients.md from all of them. Incidents that known/NAME.toml lists under [not_run] are out of
the client's scope, and so are those with requests that its call does not take. batchata needs
Python 3.12, openai-node needs node and npm. All of it takes an hour of one core.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from page import page

from fakebatch.gauntlet.case import Case, cases

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = Path(tempfile.gettempdir()) / "fakebatch-clients"
CLIENTS: dict[str, dict[str, Any]] = tomllib.loads((HERE / "clients.toml").read_text("utf-8"))
FAKEBATCH = [sys.executable, "-m", "fakebatch"]
ENV = os.environ | {
    "FAKEBATCH_ONLY": "",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks GitHub for one when it is imported
    "LITELLM_MODE": "PRODUCTION",  # else it reads .env files
    "TELEMETRY_ENABLED": "0",  # of bespokelabs-curator
}


def main() -> None:
    """Run some clients, or all, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CLIENTS))
    parser.add_argument("--only", nargs="+", default=[], metavar="INCIDENT")
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--timeout", default="60")
    parser.add_argument("--page", action="store_true", help="write the page, and run nothing")
    options = parser.parse_args()
    chosen = cases(options.only)
    for name in () if options.page else options.names or CLIENTS:
        started = time.monotonic()
        folder = install(name)
        reasons = {case.id: out_of_scope(name, case) for case in chosen}
        verdicts: dict[str, Any] = {
            id_: {"outcome": "not run", "findings": [], "reason": reason}
            for id_, reason in reasons.items()
            if reason
        }
        run = [case for case in chosen if case.id not in verdicts]
        # who kills a client has to kill the process itself
        killed = [case.id for case in run if case.kills]
        others = [case.id for case in run if not case.kills]
        flags = ["--jobs", options.jobs, "--timeout", options.timeout]
        with warmed(name, folder) as command:
            verdicts |= gauntlet(name, command, others, flags)
        verdicts |= gauntlet(name, cold(name, folder), killed, flags)
        save(name, folder, verdicts, [] if options.only else [*reasons])
        took = time.monotonic() - started
        print(f"{name}: {len(verdicts)} incidents in {took:.0f} s", flush=True)
    target = HERE.parents[1] / "docs" / "clients.md"
    target.write_text(page(), "utf-8")


def install(name: str) -> Path:
    """The environment of a client, with what clients.toml says."""
    folder, packages = ENVIRONMENTS / name, CLIENTS[name]["packages"]
    stamp = folder / "packages.json"
    if stamp.exists() and json.loads(stamp.read_text()) == packages:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if is_node(name):
        _run(["npm", "install", "--silent", "--no-audit", "--prefix", str(folder), *packages])
    else:
        _run([python_for(name), "-m", "venv", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip", "-q", "--disable-pip-version-check"]
        _run([*pip, "install", *packages])
    stamp.write_text(json.dumps(packages))
    return folder


def python_for(name: str) -> str:
    """A Python for a client: this one, unless the client needs another version."""
    version = CLIENTS[name].get("python")
    if version is None or sys.version_info >= tuple(map(int, version.split("."))):
        return sys.executable
    homes = sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
    found = str(homes[0]) if homes else shutil.which(f"python{version}")
    if found is None:
        sys.exit(f"{name} needs Python {version}, which was not found.")
    return found


def is_node(name: str) -> bool:
    """Whether a client is one of npm."""
    return (HERE / "drivers" / f"{name}.mjs").exists()


def out_of_scope(name: str, case: Case) -> str:
    """Why a client cannot send the requests of a case; empty: it can."""
    sends = CLIENTS[name].get("sends")
    urls = {str(request["url"]) for request in case.requests}
    models = {request["body"].get("model") for request in case.requests}
    if sends and sends not in case.dialect.endpoints:
        return f"The driver's call sends {sends}, which this incident's provider does not have."
    if sends and urls not in ({sends}, {"/v1/chat/completions"}):
        return f"The driver's call sends {sends}; the requests are for {', '.join(sorted(urls))}."
    if CLIENTS[name].get("one_model") and len(models) > 1:
        return "The driver's call takes one model for all requests, and these have several."
    return ""


def cold(name: str, folder: Path) -> list[str]:
    """The command that drives a client."""
    paths = ["{input}", "{output}", "{state}"]
    if is_node(name):
        driver = shutil.copy(HERE / "drivers" / f"{name}.mjs", folder)  # beside node_modules
        return ["node", str(driver), *paths]
    return [str(folder / "bin" / "python"), str(HERE / "drive.py"), name, *paths]


@contextmanager
def warmed(name: str, folder: Path) -> Generator[list[str]]:
    """The command that drives a client in a fork of a process that has imported it."""
    if is_node(name):
        yield cold(name, folder)
        return
    python = str(folder / "bin" / "python")
    with tempfile.TemporaryDirectory() as scratch:
        address = f"{scratch}/socket"
        words = [python, str(HERE / "drive.py"), "--warm", address, *CLIENTS[name]["warm"]]
        with subprocess.Popen(words, env=ENV, cwd=scratch) as process:  # noqa: S603
            try:
                while not Path(address).exists():
                    if process.poll() is not None:
                        sys.exit(f"{name} cannot be imported.")
                    time.sleep(0.05)
                paths = ["{input}", "{output}", "{state}"]
                yield [python, "-S", "-E", str(HERE / "warm.py"), address, name, *paths]
            finally:
                process.terminate()


def gauntlet(
    name: str, command: Sequence[str], incidents: Sequence[str], flags: Sequence[str]
) -> dict[str, Any]:
    """The verdicts on a client, by incident."""
    if not incidents:
        return {}
    known = HERE / "known" / f"{name}.toml"
    words = [*FAKEBATCH, "gauntlet", "--format", "json", *flags]
    words += ["--known", str(known)] if known.exists() else []
    words += [word for incident in incidents for word in ("--only", incident)]
    printed = _output([*words, "--", *command])
    cases = json.loads(re.sub(r"http://127\.0\.0\.1:\d+/w/[^/]+", "", printed))["cases"]
    return {case.pop("id"): case for case in cases}


def save(name: str, folder: Path, verdicts: dict[str, Any], catalogue: Sequence[str]) -> None:
    """Add verdicts to those of a client; forget incidents that a whole catalogue does not have."""
    path = HERE / "results" / f"{name}.json"
    before = json.loads(path.read_text("utf-8"))["cases"] if path.exists() else {}
    cases = {id_: case for id_, case in before.items() if not catalogue or id_ in catalogue}
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(name, folder),
        "cases": dict(sorted((cases | verdicts).items())),
    }
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")


def versions(name: str, folder: Path) -> dict[str, str]:
    """The versions of a client and of the SDK that it uses."""
    if is_node(name):
        manifest = folder / "node_modules" / "openai" / "package.json"
        return {name: json.loads(manifest.read_text())["version"]}
    package = CLIENTS[name]["packages"][0].partition("==")[0].partition("[")[0]
    listed = _output([str(folder / "bin" / "python"), "-m", "pip", "list", "--format", "json"])
    installed = {each["name"].replace("_", "-"): each["version"] for each in json.loads(listed)}
    return {each: installed[each] for each in (package, "openai") if each in installed}


def _run(words: Sequence[str]) -> None:
    subprocess.run(words, env=ENV, check=True)  # noqa: S603


def _output(words: Sequence[str]) -> str:
    return subprocess.run(  # noqa: S603
        words, env=ENV, stdout=subprocess.PIPE, check=False, text=True
    ).stdout


if __name__ == "__main__":
    main()
