"""The routes of the control plane. Bodies, answers and the document follow from the annotations."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from fakebatch.durations import SECOND, microseconds
from fakebatch.errors import UsageError
from fakebatch.gauntlet.case import cases
from fakebatch.gauntlet.verdicts import Verdict
from fakebatch.inspection.checks import Finding
from fakebatch.inspection.journal import moment_text
from fakebatch.inspection.objects import BatchView, FileView
from fakebatch.rules import catalogue
from fakebatch.rules.scenario import Scenario
from fakebatch.server import answers, bodies
from fakebatch.server.openapi import document
from fakebatch.server.routing import ROUTES, NotFoundError, route
from fakebatch.server.trials import Trial, open_trial, reported, trials
from fakebatch.server.worlds import World, Worlds
from fakebatch.vtime import moments

__all__ = ["ROUTES"]


# --- the server


@route("GET", "ready")
def ready(worlds: Worlds, query: bodies.Wait) -> answers.Ready:
    """Whether the server answers and has a world; waits for it."""
    until = time.monotonic() + query.wait
    while query.world not in worlds:
        if time.monotonic() >= until:
            raise NotFoundError(f"fakebatch: There is no world {query.world!r}.")
        time.sleep(0.02)
    return answers.Ready(ready=True, version=version("fakebatch"))


@route("GET", "openapi.json")
def openapi() -> dict[str, Any]:
    """This document."""
    return document(ROUTES)


@route("GET", "worlds")
def list_worlds(worlds: Worlds) -> answers.WorldList:
    """All worlds, the default one first."""
    return answers.WorldList(tuple(map(_world, worlds.values())))


@route("POST", "worlds", status=201)
def add_world(worlds: Worlds, body: bodies.NewWorld) -> answers.WorldState:
    """Make a world."""
    options = {name: value for name, value in asdict(body).items() if value is not None}
    if "incident" in options:
        names = options["incident"]
        names = (names,) if isinstance(names, str) else names
        # by name only: a path would make the server read a file
        options["incident"] = tuple(map(catalogue.by_name, names))
    return _world(worlds.add(**options))


@route("DELETE", "worlds/{id}")
def remove_world(worlds: Worlds, id: str) -> answers.Deleted:  # noqa: A002
    """Forget a world, with all of its files."""
    try:
        worlds.remove(id)
    except KeyError:
        raise NotFoundError(f"fakebatch: There is no world {id!r}.") from None
    return answers.Deleted(id, deleted=True)


@route("POST", "gauntlet", status=201)
def open_gauntlet(worlds: Worlds, body: bodies.WantedCases) -> answers.CaseList:
    """Make a world for each case of the gauntlet; those of an earlier call are replaced."""
    opened = list[answers.CaseState]()
    for case in cases(body.only):
        name = f"gauntlet.{case.id.replace('/', '.')}"
        if name in worlds:
            worlds.remove(name)
        opened.append(_case(open_trial(worlds, case, name)))
    return answers.CaseList(tuple(opened))


# --- a world


@route("GET", "world")
def get_world(world: World) -> answers.WorldState:
    """The world: where its base URL is, its dialects and its time."""
    return _world(world)


@route("POST", "reset")
def reset(worlds: Worlds, world: World) -> answers.WorldState:
    """Put a new world in its place, made with the same options."""
    return _world(worlds.reset(world.name))


@route("POST", "snapshot")
def snapshot(world: World) -> bodies.Saved:
    """Save everything but the time."""
    return bodies.Saved(world.snapshot())


@route("POST", "restore")
def restore(world: World, body: bodies.Saved) -> answers.WorldState:
    """Go back to a snapshot in everything but the time."""
    if body.snapshot not in world.snapshots:
        raise NotFoundError(f"fakebatch: There is no snapshot {body.snapshot}.")
    world.emulator.restore(world.snapshots[body.snapshot])
    return _world(world)


@route("GET", "scenario")
def get_scenario(world: World) -> Scenario:
    """All rules, as data."""
    return world.emulator.scenario


@route("PUT", "scenario")
def put_scenario(world: World, body: Scenario) -> Scenario:
    """Replace all rules."""
    world.emulator.scenario = body
    return body


@route("GET", "rules")
def list_rules(world: World) -> answers.RuleList:
    """All rules, and how often each was used."""
    return _rules(world)


@route("POST", "rules", status=201)
def add_rules(world: World, body: Scenario) -> answers.RuleList:
    """Add rules to those that there are. Answers with the new ones."""
    before = {place for place, _ in world.emulator.scenario.rules}
    world.emulator.scenario |= body
    return _rules(world, without=before)


@route("POST", "incident", status=201)
def add_incident(world: World, body: bodies.Incident) -> answers.RuleList:
    """Make an incident happen. Answers with its rules."""
    before = {place for place, _ in world.emulator.scenario.rules}
    if body.scenario is not None:
        scenario = bodies.scenario_of(body.scenario, "incident")
    else:
        scenario = catalogue.by_name(body.name, **body.parameters)
    world.emulator.incident(scenario)
    return _rules(world, without=before)


@route("GET", "clock")
def get_clock(world: World) -> answers.ClockState:
    """The time."""
    return _clock(world)


@route("POST", "clock")
def move_clock(world: World, body: bodies.Move) -> answers.ClockState:
    """Move the time forward, by a duration or to a moment."""
    if (body.advance is None) == (body.move_to is None):
        raise UsageError(
            "The clock moves by a duration or to a moment.",
            "They are called advance and move_to.",
            f"Send for example {body.example}.",
        )
    now = world.clock.read()
    moment = now + microseconds(body.advance or 0)
    if body.move_to is not None:
        moment = moments.microseconds(body.move_to)
        if moment < now:
            raise UsageError(
                f"The clock cannot move back to {body.move_to}.",
                f"It shows {moment_text(now)}, and time never goes backwards.",
                "Make a world with an earlier start.",
            )
    world.clock.move_to(moment)
    world.events.publish(("clock", {"now": moment_text(world.clock.read())}))
    return _clock(world)


@route("GET", "journal")
def get_journal(world: World, query: bodies.Calls) -> answers.JournalState:
    """The calls that were made."""
    journal = world.emulator.journal
    wanted: dict[str, Any] = asdict(query)
    return answers.JournalState(journal.count(**wanted), journal.calls(**wanted))


@route("GET", "timeline")
def get_timeline(world: World) -> answers.Timeline:
    """What happened, as the report of a failing test shows it."""
    return answers.Timeline(world.emulator.timeline())


@route("GET", "batches")
def list_batches(world: World) -> answers.BatchList:
    """All batches, of all keys."""
    return answers.BatchList(tuple(map(_batch, world.emulator.batches.values())))


@route("GET", "batches/{id}")
def get_batch(world: World, id: str) -> answers.BatchState:  # noqa: A002
    """A batch, and its whole future. Looking does not move time."""
    return _batch(_existing(world.emulator.batches, id))


@route("GET", "batches/{id}/lines")
def list_lines(world: World, id: str) -> answers.LineList:  # noqa: A002
    """The request lines of a batch, and how each ends."""
    lines = [
        answers.LineState(index, line.custom_id, repr(line.outcome), line.finishes, line.file_id)
        for index, line in enumerate(_existing(world.emulator.batches, id).lines)
    ]
    return answers.LineList(tuple(lines))


@route("POST", "batches", status=201)
def add_batch(world: World, body: bodies.NewBatch) -> answers.BatchState:
    """Add a batch that has a status now, and goes on from there."""
    emulator = world.emulator
    if isinstance(body.requests, str) and body.requests not in emulator.files:
        raise NotFoundError(f"fakebatch: There is no file {body.requests!r}.")
    return _batch(emulator.batches.add(**asdict(body)))


@route("GET", "files")
def list_files(world: World) -> answers.FileList:
    """All files, of all keys."""
    return answers.FileList(tuple(map(_file, world.emulator.files.values())))


@route("GET", "files/{id}")
def get_file(world: World, id: str) -> answers.FileState:  # noqa: A002
    """A file, and when it was downloaded."""
    return _file(_existing(world.emulator.files, id))


@route("GET", "files/{id}/content")
def get_content(world: World, id: str) -> answers.FileContent:  # noqa: A002
    """The content of a file; this is not a download."""
    content = _existing(world.emulator.files, id).content
    return answers.FileContent(base64.b64encode(content).decode())


@route("POST", "files", status=201)
def add_file(world: World, body: bodies.NewFile) -> answers.FileState:
    """Add a file."""
    options = asdict(body)
    text, encoded = options.pop("content"), options.pop("base64")
    try:
        content = base64.b64decode(encoded or "", validate=True)
    except (ValueError, binascii.Error) as error:
        raise UsageError(
            f"files: base64 cannot be decoded: {error}.",
            "It has letters, digits, + and /, and = at its end.",
            "Send the content as text, if it is text.",
        ) from None
    if text is not None:  # never as text: that would be the path of a file
        content = text.encode() if isinstance(text, str) else text
    return _file(world.emulator.files.add(content, **options))


@route("POST", "checks")
def check(world: World, body: bodies.WantedChecks) -> answers.FindingList:
    """What checks object to, as data; nothing is raised."""
    emulator, findings = world.emulator, list[Finding]()
    for name in body.checks:
        match name:
            case "used_rules":
                findings += emulator.unused_findings()
            case "refusals":
                findings += world.refusals
            case _:
                findings += emulator.findings(name, min_interval=body.min_interval)
    return answers.FindingList(tuple(findings))


@route("GET", "case")
def get_case(world: World) -> answers.CaseState:
    """The case of the gauntlet that the world was made for."""
    return _case(_trial(world))


@route("POST", "restart")
def restart(world: World) -> answers.CaseState:
    """Let calls through again, after the client was killed: it is started again."""
    trial = _trial(world)
    trial.watch.revive()
    return _case(trial)


@route("POST", "results")
def judge_results(world: World, body: bodies.Results) -> Verdict:
    """Judge a client that has ended, by what it got and by what it did."""
    sent = reported(map(asdict, body.results), body.raised)
    return _trial(world).verdict(sent, leftovers=body.leftovers)


@route("GET", "events")
def listen(world: World) -> Iterator[bytes]:
    """Server-sent events: each `call`, each `status` of a batch, each move of the `clock`."""
    return world.events.stream()


# --- answers


def _world(world: World) -> answers.WorldState:
    emulator = world.emulator
    return answers.WorldState(
        world.name,
        world.path,
        tuple(dialect.name for dialect in emulator.dialects),
        world.environment,
        world.key,
        emulator.unused_rules,
        _clock(world),
        emulator.journal.count(),
        tuple("\n".join(refusal.message) for refusal in world.refusals),
    )


def _clock(world: World) -> answers.ClockState:
    now = world.clock.read()
    elapsed = (now - world.clock.began) / SECOND
    return answers.ClockState(world.clock.mode, moment_text(now), now / SECOND, elapsed)


def _rules(world: World, without: Any = ()) -> answers.RuleList:
    rules = [
        answers.RuleState(*place, str(rule), uses)
        for place, rule, uses in world.emulator.uses()
        if place not in without
    ]
    return answers.RuleList(tuple(rules))


def _trial(world: World) -> Trial:
    if world not in trials:
        raise NotFoundError(f"fakebatch: World {world.name!r} is not a case of the gauntlet.")
    return trials[world]


def _case(trial: Trial) -> answers.CaseState:
    world = trial.world
    return answers.CaseState(
        trial.case.id,
        world.name,
        world.path,
        world.key,
        world.environment,
        trial.case.kills,
        tuple({**request} for request in trial.case.requests),
        trial.case.jsonl,
    )


def _existing(collection: Mapping[str, Any], id_: str) -> Any:
    if id_ not in collection:
        raise NotFoundError(f"fakebatch: {id_!r} does not exist.")
    return collection[id_]


def _batch(batch: BatchView) -> answers.BatchState:
    return answers.BatchState(batch.json, batch.plan)


def _file(file: FileView) -> answers.FileState:
    return answers.FileState(file.json, file.written_by, file.downloads)
