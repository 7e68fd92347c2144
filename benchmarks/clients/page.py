"""docs/clients.md, from the results of run.py."""

from __future__ import annotations

import ast
import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
LONGEST = 240
"""The characters of a message in a table."""
MARKS = {
    "pass": "·",
    "unclean": "u",
    "info": "i",
    "loud fail": "f",
    "fail": "**F**",
    "not run": "-",  # or passed without having met the incident
    "": " ",
}
"""How the matrix shows outcomes; `""`: the client has not been run through the incident yet."""
LOUD = ("was given up with", "was reported as failed")
"""What is said of requests for which a client has reported an error."""

INTRO = """\
# Real clients in the gauntlet

Batch clients from PyPI and npm, each run through the known incidents by `fakebatch gauntlet`
([gauntlet.md](gauntlet.md)). `benchmarks/clients/run.py` installs them, runs them and writes this
page. `benchmarks/clients/drivers` has a driver of some forty lines for each. It uses what the
client documents, with short intervals. What a client documents as out of scope is not run, and
neither are requests that the call cannot send.

openai-python, openai-node and litellm are calls of the API: their rows are about the loop that
openai-python has as an example.

`·` pass, `u` unclean (all answers, but too many polls, or a result file that was not read), `i`
info (the client gave up loudly and truthfully where not all answers can be had), `f` fail with an
error for each request that has no answer, though it could have one, **F** any other fail: answers
that are missing without a word or not true, requests submitted again without need, no end within
a minute, or two for clients that sleep in real time. `-` not run: out of scope, or the incident
did not happen to the client. The column *with* has the SDK that was installed beside the client.
Each incident happens to few users: a client with many failures here can serve well for years. A
failure says what the client would have to do on that day.
"""

NOTES = """\
How to read a failure:

- *was given up with …*: the client raised an error, and all answers were there, or could be had.
- *is missing from the results*: the client returned without a word on it.
- *was given the answer to …*, *was reported as its answer*: what the client said is not true.
- *20 lines ran in 2 batches; 10 would do*: the user pays twice.
- Lists without ids are paired by position, in the client's favour: one of another length is an
  error.
"""


class Client(NamedTuple):
    """A client, and what the gauntlet found."""

    name: str
    versions: dict[str, str]
    date: str
    cases: dict[str, Any]

    @property
    def version(self) -> str:
        """Its own version."""
        return next(iter(self.versions.values()))

    @property
    def sdk(self) -> str:
        """The SDK that it uses."""
        other = list(self.versions.items())[1:]
        return ", ".join(f"{name} {version}" for name, version in other) or "-"

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of each incident; a fail that the user has been told of is a loud one."""
        return {id_: outcome(case) for id_, case in self.cases.items()}

    def count(self, outcome: str) -> int:
        """How many incidents had an outcome."""
        return [*self.outcomes.values()].count(outcome)


def outcome(case: dict[str, Any]) -> str:
    """The outcome of a case."""
    if case["outcome"] == "pass" and case.get("unmet"):
        return "not run"
    if case["outcome"] != "fail":
        return case["outcome"]
    is_loud = all(
        each["check"] == "no loss" and any(words in each["message"][0] for words in LOUD)
        for each in case["findings"]
    )
    return "loud fail" if is_loud else "fail"


def page() -> str:
    """The page."""
    configured = tomllib.loads((HERE / "clients.toml").read_text("utf-8"))
    results = {name: HERE / "results" / f"{name}.json" for name in configured}
    clients = [
        Client(name, data["versions"], data["date"], data["cases"])
        for name, path in results.items()
        if path.exists()
        for data in [json.loads(path.read_text("utf-8"))]
    ]
    blocks = [INTRO, *_summary(clients), NOTES, *_most_failed(clients), *_matrix(clients)]
    for client in clients:
        blocks += _details(client, configured[client.name]["packages"])
    return "\n".join(blocks)


def _summary(clients: list[Client]) -> Iterator[str]:
    yield "| | client | version | with | `·` | `u` | `i` | `f` | **F** | `-` | date |"
    yield "|--:|---|---|---|--:|--:|--:|--:|--:|--:|---|"
    for number, client in enumerate(clients, 1):
        counts = " | ".join(str(client.count(outcome)) for outcome in MARKS if outcome)
        name = f"[{client.name}](#{client.name})"
        yield f"| {number} | {name} | {client.version} | {client.sdk} | {counts} | {client.date} |"
    yield ""


def _most_failed(clients: list[Client]) -> Iterator[str]:
    failed, run = Counter[str](), Counter[str]()
    for client in clients:
        for id_, case in client.cases.items():
            run[id_] += outcome(case) != "not run"
            failed[id_] += case["outcome"] == "fail"
    yield "The incidents that most clients fail:\n"
    yield from (f"- {id_}: {count} of {run[id_]}" for id_, count in failed.most_common(12))
    yield ""


def _matrix(clients: list[Client]) -> Iterator[str]:
    ids = sorted({id_ for client in clients for id_ in client.cases})
    yield "## The matrix\n\nThe numbers are those of the first table.\n"
    for group in dict.fromkeys(id_.partition("/")[0] for id_ in ids):
        yield f"| {group} | {' | '.join(map(str, range(1, len(clients) + 1)))} |"
        yield f"|---|{':-:|' * len(clients)}"
        for id_ in ids:
            if id_.startswith(f"{group}/"):
                cells = " | ".join(MARKS[client.outcomes.get(id_, "")] for client in clients)
                yield f"| {id_.partition('/')[2]} | {cells} |"
        yield ""


def _details(client: Client, packages: list[str]) -> Iterator[str]:
    yield f"## {client.name}\n"
    yield f"{_how(client.name)}\n\n```sh"
    if (HERE / "drivers" / f"{client.name}.mjs").exists():
        driver = f"benchmarks/clients/drivers/{client.name}.mjs"
        yield f"mkdir env && npm install --prefix env {' '.join(packages)}"
        yield f"cp {driver} env"
        command = f"node env/{client.name}.mjs"
    else:
        quoted = " ".join(f"'{package}'" for package in packages)
        yield f"python -m venv env && env/bin/pip install {quoted}"
        yield "pip install 'fakebatch[server]'"
        command = f"env/bin/python benchmarks/clients/drive.py {client.name}"
    yield f"fakebatch gauntlet --only INCIDENT -- {command} {{input}} {{output}} {{state}}"
    yield "```\n"
    failed = {id_: case for id_, case in client.cases.items() if case["outcome"] == "fail"}
    if failed:
        yield "| incident | what went wrong first | what the client would have to do |"
        yield "|---|---|---|"
    for id_, case in failed.items():
        what, _, advice = case["findings"][0]["message"]
        verdicts = ", ".join(dict.fromkeys(each["check"] for each in case["findings"]))
        yield f"| {id_} | *{verdicts}*: {_cell(what)} | {_cell(advice)} |"
    if failed:
        yield ""
    for reason, ids in _skipped(client).items():
        yield f"- Not run: {', '.join(ids)}. {reason}"
    if client.count("not run"):
        yield ""


def _skipped(client: Client) -> dict[str, list[str]]:
    """The incidents that were not run, by the reason."""
    reasons: dict[str, list[str]] = {}
    for id_, case in client.cases.items():
        if outcome(case) == "not run":
            reason = case["reason"] or case["unmet"]
            reasons.setdefault(" ".join(reason.split()), []).append(id_)
    return reasons


def _how(name: str) -> str:
    """What a driver says of itself."""
    path = HERE / "drivers" / f"{name}.py"
    if path.exists():
        return ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    lines = path.with_suffix(".mjs").read_text("utf-8").split("\n")
    return "\n".join(line[3:] for line in lines if line.startswith("// "))


def _cell(text: str) -> str:
    """Text in a cell of a table."""
    words = shorten(text.replace("exit status 1: ", ""), LONGEST, placeholder=" …")
    return words.replace("|", "\\|").replace("<", "&lt;").replace("{", "&#123;")
