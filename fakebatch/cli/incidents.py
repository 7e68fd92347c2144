"""The command `fakebatch incidents`: the catalogue as a list, and one incident in full."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from textwrap import indent
from typing import Annotated, Any, cast

import typer

from fakebatch.cli.screen import console, prose, reported
from fakebatch.rules.catalogue import GRADES, GROUPS, KnownIncident, named, of_group

UNRECOVERABLE = "No client can get all answers: the best outcome is an honest report."


@reported()
def incidents(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|GROUP]", help="An incident to show in full, or a group."),
    ] = None,
) -> None:
    """List the known incidents, or those of a group, or show one of them."""
    if name is None:
        for number, group in enumerate(filter(of_group, GROUPS)):
            _list(group, "\n" if number else "")
    elif name in GROUPS:
        _list(name)
    else:
        incident = named(name)
        sections = "\n\n".join(f"{heading}\n{text}" for heading, text in _sections(incident))
        # comments and TOML: the whole is a scenario file
        for line in f"{incident.id}\n\n{sections}".split("\n"):
            console.print(f"# {line}".rstrip())
        if incident.toml:
            console.print(f"\n{with_defaults(incident).rstrip()}")


def _list(group: str, before: str = "") -> None:
    console.print(f"{before}# {group}: {GROUPS[group]}", style="dim")
    for incident in of_group(group):
        console.print(incident.id, style="bold")
        console.print(prose(incident.what))


def _sections(incident: KnownIncident) -> Iterable[tuple[str, str]]:
    """What is known of an incident, and how it is used: headings and indented texts."""
    yield "Description", _indented(incident.what, incident.inferred)
    yield "Affected clients", _indented(incident.breaks)
    yield "A robust client", _indented(incident.client)
    parameters = [
        f"  {name} = {_toml(parameter.default)}\n{indent(prose(parameter.what, 6), '  ')}"
        for name, parameter in incident.parameters.items()
    ]
    yield "Parameters", "\n".join(parameters) or "  none"
    yield (
        "Verdicts",
        _indented(
            f"{', '.join(incident.verdicts)}.",
            "" if incident.recoverable else UNRECOVERABLE,
            "Only the provider's own API does this." if incident.api != "any" else "",
            f"Dialects: {', '.join(incident.dialects)}." if incident.dialects else "",
        ),
    )
    grades = " and ".join(GRADES[grade] for grade in incident.grade.split("+"))
    yield "Evidence", _indented(f"{incident.grade}: {grades}.", *incident.evidence)
    conditions = [
        *(f"prompt: {json.dumps(prompt)}" for prompt in incident.gauntlet.prompts),
        *(json.dumps(dict(request)) for request in incident.gauntlet.requests),
        *(f"killed after {each}, and started again" for each in incident.gauntlet.kill),
    ]
    if conditions:
        yield "Conditions", indent("\n".join(conditions), "  ")
    yield "Usage", indent("\n".join(_usage(incident)), "  ")


def _usage(incident: KnownIncident) -> Iterable[str]:
    id_ = incident.id
    if incident.toml:
        changed = [f", {name}={each.default!r}" for name, each in incident.parameters.items()]
        yield f'@pytest.mark.fakebatch(incident="{id_}")'
        yield f'fakebatch.incident("{id_}"{"".join(changed[:1])})'
        yield f"fakebatch serve --incident {id_}"
        yield f"fakebatch incidents {id_} > scenario.toml"
    elif incident.dialects:
        yield f'@pytest.mark.fakebatch(dialect="{incident.dialects[0]}")'
        yield f"fakebatch serve --dialect {incident.dialects[0]}"
    yield f"fakebatch gauntlet --only {id_} -- python my_client.py {{input}} {{output}}"


def _indented(*paragraphs: str) -> str:
    return "\n".join(prose(text, 4) for text in paragraphs if text)


def with_defaults(incident: KnownIncident) -> str:
    """The scenario as written, with the default values of its parameters."""
    parameters = incident.parameters
    return re.sub(r'"\$(\w+)"', lambda match: _toml(parameters[match[1]].default), incident.toml)


def _toml(value: Any) -> str:
    """A value as TOML; JSON is the same but for infinity and tables."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return f"{{ {', '.join(f'{json.dumps(name)} = {_toml(each)}' for name, each in items)} }}"
    return "inf" if value == float("inf") else json.dumps(value)
