"""Writes docs/incidents.md from the catalogue: `python tests/support/incidents_page.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from fakebatch.cli.incidents import UNRECOVERABLE, with_defaults
from fakebatch.rules.catalogue import GRADES, GROUPS, KnownIncident, known, of_group

PAGE = Path(__file__).parents[2] / "docs" / "incidents.md"
HEAD = """# Incidents

What has gone wrong with batch jobs in practice, from issue trackers, forums, documentation and
measurements. Each incident has a name, and happens in a test by this name. A test proves on the
wire that it happens. `python tests/support/incidents_page.py` writes this page from the files in
[fakebatch/incidents](../fakebatch/incidents).

```python
import pytest


@pytest.mark.fakebatch(incident="results/download-truncated")
def test_one(fakebatch):
    assert fakebatch.scenario.on_call[0].truncate.fraction == 0.3


@pytest.mark.fakebatch(incident=("shuffled-order", "wait/poll-5xx-kills-loop"))
def test_two_at_once(fakebatch):
    assert len([*fakebatch.scenario.rules]) == 2


def test_with_parameters(fakebatch):
    fakebatch.incident("create/create-retried-duplicate-batch", times=2, status=503)
    assert fakebatch.scenario.on_call[0].times == 2
```

The group may be left out. `fakebatch incidents` lists all, `fakebatch incidents GROUP` those of a
group, and `fakebatch incidents NAME` prints one as a scenario file. The server takes
`--incident NAME`; so does `fakebatch run`. See [scenarios.md](scenarios.md) for rules of your own.

Some incidents have no rules: their cause is what the client sends, its death, or the provider. Such
a name is an error in a test; its section has the requests or the dialect. `fakebatch gauntlet` runs
any client through all of them.

*Frequency* is how often an incident hits an average client, from 1 to 5, as an estimate.
*Severity* 5 is wrong or lost data, or twice the cost, unnoticed; 3 is a run that fails loudly. The
grades of *evidence*:

"""
LINK = re.compile(r"(https://(\S+))( \(.*\))?")


def page() -> str:
    """The text of docs/incidents.md."""
    grades = (f"- {grade}: {meaning}" for grade, meaning in GRADES.items())
    parts = [HEAD + "\n".join(grades), *_ranked()]
    for group in filter(of_group, GROUPS):
        parts += [f"## {group}", GROUPS[group], *map(_section, of_group(group))]
    return "\n\n".join(parts) + "\n"


def _ranked() -> Iterator[str]:
    yield "## By rank"
    ranked = sorted(known().values(), key=lambda each: (-each.frequency, -each.severity))
    rows = [
        f"| [{each.id}](#{_anchor(each)}) | {each.frequency} | {each.severity} "
        f"| {each.grade} | {'' if each.recoverable else 'no'} |"
        for each in ranked
    ]
    head = "| incident | frequency | severity | evidence | recoverable |"
    yield "\n".join([head, "|---|--:|--:|---|---|", *rows])


def _anchor(incident: KnownIncident) -> str:
    """The anchor that GitHub gives the heading of an incident."""
    return incident.id.replace("/", "")


def _section(incident: KnownIncident) -> str:
    return "\n\n".join(part for part in _parts(incident) if part)


def _parts(incident: KnownIncident) -> Iterator[str]:
    yield f"### {incident.id}"
    yield incident.what
    points = [f"Breaks: {incident.breaks}", f"A robust client: {incident.client}"]
    if not incident.recoverable:
        points.append(UNRECOVERABLE)
    if incident.api != "any":
        points.append("Only the provider's own API does this.")
    if incident.dialects:
        points.append(f"Dialects: {', '.join(f'`{name}`' for name in incident.dialects)}.")
    points.append(f"Verdicts: {', '.join(incident.verdicts)}.")
    if incident.inferred:
        points.append(f"Note: {incident.inferred}")
    points.append(f"Evidence ({incident.grade}): {', '.join(map(_link, incident.evidence))}")
    yield "\n".join(f"- {point}" for point in points)
    if incident.parameters:
        rows = [
            f"| `{name}` | `{_value(parameter.default)}` | {parameter.what} |"
            for name, parameter in incident.parameters.items()
        ]
        yield "\n".join(["| parameter | default | |", "|---|---|---|", *rows])
    if incident.toml:
        yield f"```toml\n{with_defaults(incident).strip()}\n```"
    conditions = incident.gauntlet
    if conditions.prompts:
        prompts = ", ".join(f"`{json.dumps(prompt)}`" for prompt in conditions.prompts)
        yield f"The prompts: {prompts}."
    if conditions.requests:
        lines = "\n".join(json.dumps(dict(request)) for request in conditions.requests)
        yield f"The requests:\n\n```text\n{lines}\n```"
    if conditions.kill:
        operations = ", then ".join(f"`{operation}`" for operation in conditions.kill)
        yield f"The client is killed after {operations}, and started again."


def _value(default: object) -> str:
    return "inf" if default == float("inf") else json.dumps(default)


def _link(evidence: str) -> str:
    """A link with a short label, if it is an address."""
    match = LINK.fullmatch(evidence)
    if match is None:
        return evidence.removesuffix(".")
    url, address, note = match.groups(default="")
    label = re.sub(r"^github\.com/([^/]+/[^/]+)/(?:issues|pull)/(\d+)$", r"\1#\2", address)
    return f"[{label}]({url}){note}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
