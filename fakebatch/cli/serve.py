"""`fakebatch serve`, and `fakebatch exec`, which runs a command beside a server of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from importlib.metadata import version
from inspect import Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from fakebatch.cli.children import environment
from fakebatch.cli.screen import (
    DialectOption,
    IncidentOption,
    ScenarioOption,
    complete,
    console,
    error_console,
    fail,
    finite,
    handling,
    reported,
)
from fakebatch.errors import UsageError
from fakebatch.inspection.checks import CheckName, Finding
from fakebatch.server.handler import Handler, is_address
from fakebatch.server.worlds import World, Worlds

SETTINGS = {"auto_envvar_prefix": "FAKEBATCH", "allow_interspersed_args": False}
"""Each option has a variable in the environment, and what follows a command belongs to it."""

MISSING = """\
fakebatch: The server needs h11, which is not installed.
The pytest plugin and the other commands work without it.
Run: pip install 'fakebatch[server]'"""

ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
"""The signals that `exec` hands on to its command."""


# --- options of both


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a server is made."""

    host: Annotated[
        str, typer.Option(help="The address to listen on. Beyond this machine it takes a token.")
    ] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 is any that is free.")] = 0
    dialect: DialectOption = "openai"
    incident: IncidentOption = None
    scenario: ScenarioOption = None
    seed: Annotated[str, typer.Option(help="Seed of ids, shuffles and vectors.")] = "0"
    clock: Annotated[
        str,
        typer.Option(help="What moves time: polls, manual, real, or a speed: 60x."),
    ] = "polls"
    schedule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS=DURATION",
            help="How long batches stay in a status: in_progress=2h; may be repeated.",
        ),
    ] = None
    org: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=NAME", help="The organization of an API key; may be repeated."),
    ] = None
    models: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,…", help="The models that exist; by default every plausible name does."
        ),
    ] = None
    ready_file: Annotated[
        Path | None,
        typer.Option(help="Written once the server answers: the variables for clients, as lines."),
    ] = None
    no_control: Annotated[
        bool, typer.Option("--no-control", help="No control plane: /_fakebatch/ is unknown.")
    ] = False
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name under which the control plane answers, beside addresses and localhost; "
            "may be repeated.",
        ),
    ] = None
    token: Annotated[
        str | None,
        typer.Option(help="What requests to the control plane have to carry."),
    ] = None
    fault_time_scale: Annotated[
        float,
        typer.Option(help="The real seconds of one second of a rule's delays and gaps."),
    ] = 1.0

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the server."""
        return is_address(self.host, loopback=True)

    def worlds(self) -> Worlds:
        """The worlds of the server.

        Raises:
            UsageError: an option without meaning.
        """
        models = None if self.models is None else ",".join(self.models).split(",")
        return Worlds(
            dialect=self.dialect,
            incident=tuple(self.incident or ()),
            scenario=tuple(self.scenario or ()),
            seed=self.seed,
            clock=self.clock,
            schedule=_pairs("--schedule", self.schedule, "in_progress=2h"),
            organizations=_pairs("--org", self.org, "sk-a=one"),
            models=models,
        )


def _pairs(option: str, values: Sequence[str] | None, example: str) -> dict[str, str]:
    pairs = dict[str, str]()
    for value in values or ():
        name, sign, rest = value.partition("=")
        if not (name and sign and rest):
            raise UsageError(
                f"{option} {value} has no name and value.",
                f"{option} takes NAME=VALUE, and may be repeated.",
                f"Write for example {option} {example}.",
            )
        pairs[name] = rest
    return pairs


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The same command; in place of `options` it takes each of them, as typer needs it."""

    def wrapper(**arguments: Any) -> None:
        values = {field.name: arguments.pop(field.name) for field in fields(Options)}
        command(options=Options(**values), **arguments)

    kinds = {
        **get_type_hints(Options, include_extras=True),
        **get_type_hints(command, include_extras=True),
    }
    parameters = {**signature(command).parameters, **signature(Options).parameters}
    for absent in (parameters, kinds):
        del absent["options"]
    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    wrapper.__annotations__ = kinds
    wrapper.__dict__["__signature__"] = Signature(
        [parameter.replace(annotation=kinds[name]) for name, parameter in parameters.items()]
    )
    return wrapper


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    url: str
    worlds: Worlds
    token: str | None
    """What requests to the control plane have to carry."""

    @property
    def world(self) -> World:
        """The default world."""
        return self.worlds[""]

    @property
    def env(self) -> dict[str, str]:
        """The environment variables of clients."""
        token = {} if self.token is None else {"FAKEBATCH_TOKEN": self.token}
        return {**self.world.env(self.url), "FAKEBATCH_URL": self.url, **token}


@contextmanager
def answering(
    handler: Handler, missing: str, host: str = "127.0.0.1", port: int = 0, **limits: Any
) -> Generator[str]:
    """A server, until the end of the block: its URL.

    Args:
        handler: answers the requests.
        missing: what to print where h11 is not installed.
        host: the address to listen on.
        port: 0 is any that is free.
        limits: those that differ, of `Limits`.
    """
    try:
        from fakebatch.server.connection import Limits  # noqa: PLC0415  # needs the extra
        from fakebatch.server.server import Server  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "h11":
            raise
        fail(missing)
    with Server(handler, host, port, Limits(**limits)) as server:
        yield server.url


@contextmanager
def _running(options: Options) -> Generator[Running]:
    """A server with these options."""
    token = options.token
    if token is None and not options.is_local and not options.no_control:
        token = secrets.token_urlsafe(16)
    worlds = options.worlds()
    handler = Handler(worlds, token, options.allow_host or (), not options.no_control)
    scale = finite(
        options.fault_time_scale,
        "--fault-time-scale 0.1",
        "is how many real seconds one second of a rule lasts",
        zero=True,
    )
    server = answering(handler, MISSING, options.host, options.port, time_scale=scale)
    with server as url, ExitStack() as stack:
        running = Running(url, worlds, token)
        if options.ready_file is not None:
            stack.callback(options.ready_file.unlink, missing_ok=True)
            with complete(options.ready_file) as part:
                part.touch(mode=0o600)  # only its owner reads it
                part.write_text("".join(f"{k}={value}\n" for k, value in running.env.items()))
        yield running


# --- serve


@_with_options
@reported()
def serve(options: Options) -> None:
    """Run the emulator as a server, for any client in any language, until SIGINT or SIGTERM."""
    ended = threading.Event()

    def end(number: int, _: object) -> None:
        ended.set()
        signal.signal(number, signal.SIG_DFL)  # a second one does not wait for connections

    with handling(("SIGINT", "SIGTERM"), end), _running(options) as running:
        world, url = running.world, running.url
        what = f"{world.emulator.dialect.title} at {url}{world.path}, clock {world.clock.mode}"
        lines = [f"fakebatch {version('fakebatch')}: {what}"]
        lines += [f"export {name}={value}" for name, value in running.env.items()]
        if not options.no_control:
            lines.append(f"Control plane: {url}/_fakebatch/openapi.json")
        if not options.is_local:
            lines += [
                f"It listens on {options.host}: whoever reaches this machine can use it.",
                "Replies are made up and keys are not checked, but uploads can be read by others.",
            ]
        if not (options.is_local or options.no_control):
            lines.append("Requests to the control plane need x-fakebatch-token: FAKEBATCH_TOKEN.")
        console.print("\n".join(lines))
        while not ended.wait(0.5):  # Windows handles no signal within a longer one
            pass


# --- exec


class Show(StrEnum):
    """When `exec` prints the timeline."""

    ALWAYS = "always"
    FAIL = "fail"
    NEVER = "never"


@_with_options
@reported()
def exec_(
    options: Options,
    command: Annotated[list[str], typer.Argument(metavar="COMMAND")],
    *,
    timeline: Annotated[
        Show, typer.Option(help="When to print what happened, in virtual time.")
    ] = Show.FAIL,
    expect_all_downloaded: Annotated[
        bool,
        typer.Option("--expect-all-downloaded", help="Fail if a result file was never downloaded."),
    ] = False,
    expect_single_batch: Annotated[
        bool,
        typer.Option(
            "--expect-single-batch", help="Fail if two batches were created for the same input."
        ),
    ] = False,
    expect_no_leftover_files: Annotated[
        bool,
        typer.Option("--expect-no-leftover-files", help="Fail if a file was not deleted."),
    ] = False,
    min_poll_interval: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="Fail if a batch was retrieved twice within less than that."
        ),
    ] = None,
) -> None:
    """Run a command beside a server of its own: `fakebatch exec -- npm test`.

    The command gets OPENAI_BASE_URL, OPENAI_API_KEY and FAKEBATCH_URL. The exit status is its own;
    if it is 0, it becomes 1 if a rule was never used, a request was refused, or a check failed.
    """
    checks: dict[CheckName, bool] = {
        "all_downloaded": expect_all_downloaded,
        "single_batch": expect_single_batch,
        "no_leftover_files": expect_no_leftover_files,
        "min_poll_interval": min_poll_interval is not None,
    }
    if min_poll_interval is not None and options.clock == "polls":
        raise UsageError(
            f"--min-poll-interval {min_poll_interval} came with --clock polls.",
            "With this clock the polls move time, not the client's sleep.",
            "Use --clock with a speed, such as 60x.",
        )
    with _running(options) as running:
        status = _run(command, environment(running.env, running.url))
        worlds = [world for world in running.worlds.values() if world.emulator.journal.count()]
        worlds = worlds or [running.world]
        findings = [finding for world in worlds for finding in world.refusals]
        if status == 0:
            wanted: list[CheckName] = [name for name, is_wanted in checks.items() if is_wanted]
            findings += _checked(worlds, wanted, min_poll_interval or 0)
        if timeline is Show.ALWAYS or (timeline is Show.FAIL and (status or findings)):
            for world in worlds:
                error_console.rule(f"fakebatch timeline: {running.url}{world.path}", style="none")
                error_console.print(world.emulator.timeline())
    for message in dict.fromkeys(finding.message for finding in findings):
        error_console.print("fakebatch: " + "\n".join(message), style="red")
    raise typer.Exit(status or (1 if findings else 0))


def _checked(
    worlds: Sequence[World], checks: Sequence[CheckName], min_interval: str | int
) -> Iterator[Finding]:
    """What the checks object to. A rule of all worlds need only be used in one."""
    hits = Counter[str]()
    for world in worlds:
        for _, rule, n in world.emulator.uses():
            hits[str(rule)] += n
    for world in worlds:
        for finding in world.emulator.unused_findings():
            if not all(hits[rule] for rule in finding.objects):
                yield replace(finding, message=(*finding.message[:2], "Fix the rule or the code."))
        for name in checks:
            yield from world.emulator.findings(name, min_interval=min_interval)


def _run(command: Sequence[str], env: dict[str, str]) -> int:
    """Run a command, and hand signals on to it. Returns its exit status, as a shell has it."""
    program = shutil.which(command[0]) or command[0]  # Windows finds npm.cmd only so
    try:
        process = subprocess.Popen([program, *command[1:]], env=env)  # noqa: S603  # the user's own
    except OSError as error:
        error_console.print(f"{command[0]}: {error.strerror}", style="red")
        return 127 if isinstance(error, FileNotFoundError) else 126

    def hand_on(number: int, _: object) -> None:
        # a terminal has sent it to the command as well
        if number != signal.SIGINT or not os.isatty(0):
            process.send_signal(number)

    with handling(ENDING, hand_on):
        # the system may give a signal to a thread of the server, which does not end a longer wait
        while (status := process.poll()) is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
    return 128 - status if status < 0 else status
