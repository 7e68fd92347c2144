"""`fakebatch serve` and `fakebatch exec`: how they begin, what they check, how they end."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import typer.main
from typer.testing import CliRunner, Result

from fakebatch.cli.commands import app
from support.processes import CLIENT, FAKEBATCH, client, serving

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")


def execute(*arguments: str, code: str = "", **env: str) -> Result:
    """`fakebatch exec` with these options, and code of a client as the command."""
    return CliRunner().invoke(app, ["exec", *arguments, "--", *client(code)], env=env)


@pytest.fixture
def _in_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


RUN = "batch = ended(create(upload(line('a'))))\n"
CONTROL = """
os.environ["OPENAI_BASE_URL"] = os.environ["FAKEBATCH_URL"]
try: call("/_fakebatch/world")
except Exception as error: assert error.code == 501
"""
TWICE = "file = upload(line('a'))\nended(create(file))\nended(create(file))\n"
STATUSES = {
    "its own": ([], "sys.exit(7)", 7, "+00:00:00  now"),
    "of a signal": ([], "os.kill(os.getpid(), 9)", 137, "fakebatch timeline: http://127.0.0.1:"),
    "success": (["--expect-all-downloaded"], RUN + "download(batch)", 0, ""),
    "a file that nobody read": (
        ["--expect-all-downloaded"],
        RUN,
        1,
        "1 result file was never downloaded.",
    ),
    "two batches": (["--expect-single-batch"], TWICE, 1, "2 batches"),
    "files that stay": (["--expect-no-leftover-files"], RUN, 1, "2 files were left behind."),
    "polls in no time": (
        ["--min-poll-interval", "1h", "--clock", "60x"],
        "batch = create(upload(line('a')))\n" + "call('/batches/' + batch['id'])\n" * 2,
        1,
        "polled",
    ),
    "a check of polls that move time": (
        ["--min-poll-interval", "1h"],
        "",
        1,
        "--min-poll-interval 1h came with --clock polls.",
    ),
    "a request that is not emulated": (
        [],
        "try: call('/assistants')\nexcept Exception as error: assert error.code == 501",
        1,
        "fakebatch: GET /assistants is not emulated.",
    ),
    "a rule that nobody used": (
        ["--scenario", "a.toml"],
        RUN,
        1,
        "1 rule was never used: on_call('files.list').fail(500).",
    ),
    "a rule that was used": (["--scenario", "a.toml"], "try: call('/files')\nexcept: pass", 0, ""),
    "a rule that a failure left unused": (["--scenario", "a.toml"], "sys.exit(3)", 3, "now"),
    "an incident that did not happen": (["--incident", "download-truncated"], RUN, 0, ""),
    "two incidents, with a group and without": (
        ["--incident", "results/shuffled-order", "--incident", "create-ok-then-failed"],
        f"{RUN}assert batch['status'] == 'failed'",
        0,
        "",
    ),
    "no incident": (["--incident", "shufled-order"], "", 1, "names: results/shuffled-order."),
    "a timeline in any case": (["--timeline", "always"], RUN, 0, "batches.retrieve 200"),
    "no timeline": (["--timeline", "never"], "sys.exit(3)", 3, ""),
    "a delay of ten minutes, in no time": (
        ["--scenario", "slow.toml", "--fault-time-scale", "0"],
        "call('/files')",
        0,
        "",
    ),
    "a scale that is no number": (
        ["--fault-time-scale", "nan"],
        "",
        1,
        "--fault-time-scale nan cannot be used.",
    ),
    "a scale below 0": (["--fault-time-scale", "-1"], "", 1, "a number that is 0 or more."),
    "no control plane": (
        ["--no-control"],
        CONTROL,
        1,
        "GET http://127.0.0.1:",
    ),
    "no clock": (["--clock", "fast"], "", 1, "clock='fast' is not a clock of a server."),
    "no dialect": (["--dialect", "x"], "", 1, "There is no dialect 'x'."),
    "no pair": (["--org", "sk-a"], "", 1, "Write for example --org sk-a=one."),
    "no address": (["--host", "192.0.2.1"], "", 1, "assign requested address"),
}


@pytest.mark.parametrize(("options", "code", "status", "message"), STATUSES.values(), ids=STATUSES)
@pytest.mark.usefixtures("_in_a_directory")
def test_the_status_is_that_of_the_command_and_of_the_checks(
    options: list[str], code: str, status: int, message: str
) -> None:
    """A command that fails keeps its status; one that succeeds fails by a check."""
    Path("a.toml").write_text('[[on_call]]\noperation = "files.list"\nfail = { status = 500 }')
    Path("slow.toml").write_text(
        '[[on_call]]\noperation = "files.list"\nslow = { first_byte = "10m" }'
    )
    result = execute(*options, code=code)
    assert (result.exit_code, result.stdout) == (status, ""), result.stderr
    assert message in result.stderr
    assert bool(message) == bool(result.stderr)


@POSIX
@pytest.mark.parametrize(("command", "status"), [("no-such-program", 127), ("/", 126)])
def test_a_command_that_cannot_be_started(command: str, status: int) -> None:
    """The exit statuses of shells."""
    result = CliRunner().invoke(app, ["exec", "--timeline", "never", "--", command])
    assert result.exit_code == status
    assert result.stderr.startswith(f"{command}: ")


SETS = {
    "what SDKs read": (
        [],
        {"OPENAI_BASE_URL": "/v1", "OPENAI_API_KEY": "sk-", "FAKEBATCH_URL": ""},
    ),
    "the variables of a dialect": (
        ["--dialect", "azure"],
        {"OPENAI_BASE_URL": "/openai/v1", "AZURE_OPENAI_API_KEY": "sk-"},
    ),
    "a token": (["--token", "secret"], {"FAKEBATCH_TOKEN": "secret"}),
}


@pytest.mark.parametrize(("options", "parts"), SETS.values(), ids=SETS)
def test_the_command_finds_the_server_by_its_environment(
    options: list[str], parts: dict[str, str], tmp_path: Path
) -> None:
    """The base URL, a key, and the control plane."""
    code = f"json.dump(dict(os.environ), open({str(tmp_path / 'env')!r}, 'w'))"
    assert execute(*options, code=code).exit_code == 0
    env = json.loads((tmp_path / "env").read_text())
    assert {name for name, part in parts.items() if part not in env[name]} == set()


PROXIES: dict[str, dict[str, str | None]] = {
    "no proxy": {"NO_PROXY": None},
    "a proxy": {"HTTP_PROXY": "http://p:1", "NO_PROXY": "127.0.0.1"},
    "a proxy in small letters": {"all_proxy": "http://p:1", "no_proxy": "127.0.0.1"},
    "a proxy and what it is not for": {
        "https_proxy": "http://p:1",
        "NO_PROXY": "a.example,.b.example",
        "no_proxy": "a.example,.b.example,127.0.0.1",
    },
}


@pytest.mark.parametrize("variables", PROXIES.values(), ids=PROXIES)
def test_a_command_reaches_the_server_past_a_proxy(
    variables: dict[str, str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a proxy is set, it is not asked for the server; elsewhere nothing changes."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    wanted = variables.get("no_proxy") or variables["NO_PROXY"]
    is_set = {name: value for name, value in variables.items() if value and value != wanted}
    code = f"json.dump(dict(os.environ), open({str(tmp_path / 'env')!r}, 'w'))"
    execute(code=code, **is_set)
    env = json.loads((tmp_path / "env").read_text())
    assert [env.get("no_proxy"), env.get("NO_PROXY")] == [wanted, wanted]


def test_every_option_is_a_variable_too(tmp_path: Path) -> None:
    """`FAKEBATCH_` and its name; spaces separate several values."""
    code = f"""
path = os.environ["FAKEBATCH_URL"] + "/_fakebatch/batches"
batch = create(upload(line("a")))
open({str(tmp_path / "plan")!r}, "wb").write(urllib.request.urlopen(path).read())
"""
    variables = {"SCHEDULE": "validating=10s in_progress=2h", "CLOCK": "manual", "SEED": "7"}
    result = execute(code=code, **{f"FAKEBATCH_{name}": value for name, value in variables.items()})
    assert result.exit_code == 0, result.stderr
    plan = json.loads((tmp_path / "plan").read_text())["batches"][0]["plan"]
    assert [step["at"][11:19] for step in plan[:3]] == ["00:00:00", "00:00:10", "02:00:10"]

    group: Any = typer.main.get_command(app)
    for name in ("serve", "exec"):
        page = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).output
        options = [each.opts[0] for each in group.commands[name].params if each.opts[0][:2] == "--"]
        needed = {f"FAKEBATCH_{each[2:].replace('-', '_').upper()}" for each in options}
        assert {each for each in needed - {"FAKEBATCH_HELP"} if each not in page} == set()


def test_keys_have_organizations_and_models_exist() -> None:
    """`--org` and `--models`."""
    code = """
upload(line("a"))
assert json.loads(call("/models"))["data"][0]["id"] == "m-1"
os.environ["OPENAI_API_KEY"] = "sk-b"
assert json.loads(call("/files"))["data"] == []
"""
    result = execute("--org", "sk-b=two", "--models", "m-1,m-2", code=code)
    assert result.exit_code == 0, result.stderr


def test_a_rule_of_all_worlds_is_used_in_one(tmp_path: Path) -> None:
    """`--scenario` holds in each world; the timelines are those of worlds that were called."""
    scenario = tmp_path / "a.toml"
    scenario.write_text('[[on_call]]\noperation = "files.list"\nfail = { status = 500 }')
    code = """
for name in ("one", "two"):
    body = json.dumps({"name": name}).encode()
    urllib.request.urlopen(os.environ["FAKEBATCH_URL"] + "/_fakebatch/worlds", body)
    os.environ["OPENAI_BASE_URL"] = os.environ["FAKEBATCH_URL"] + "/w/" + name + "/v1"
    call("/models")
try: call("/files")
except Exception as error: assert error.code == 500
"""
    result = execute("--scenario", str(scenario), "--timeline", "always", code=code)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("fakebatch timeline: ") == 2


def test_without_the_extra_it_says_how_to_get_it() -> None:
    """Three lines and exit status 1; the other commands work."""
    code = "import sys; sys.modules['h11'] = None; from fakebatch.cli import main; main()"
    for arguments in (["serve"], ["exec", "--", "true"]):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        assert done.returncode == 1
        assert done.stderr.splitlines()[2] == "Run: pip install 'fakebatch[server]'"
        assert len(done.stderr.splitlines()) == 3
    command = [sys.executable, "-c", code, "dialects"]
    subprocess.run(command, capture_output=True, check=True)  # noqa: S603


# --- processes and signals


@POSIX
def test_signals_go_to_the_command() -> None:
    """And its exit status comes back."""
    code = """
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print("ready", flush=True)
signal.pause()
"""
    command = [*FAKEBATCH, "exec", "--timeline", "never", "--", *client(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 5


def head(path: str, served_key: str, *headers: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {served_key}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def between_requests(_: socket.socket, __: str) -> None:
    """Nothing is going on."""


def in_an_upload(sock: socket.socket, key: str) -> None:
    """Half of a form of 64 MB has arrived."""
    headers = ("Content-Type: multipart/form-data; boundary=b", "Content-Length: 64000000")
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    sock.sendall(head("/v1/files", key, *headers, method="POST") + form + b"{}\n" * 4_000_000)


def in_a_download(sock: socket.socket, key: str) -> None:
    """The client has read the head, and reads no further."""
    body = json.dumps({"content": "{}\n" * 10_000_000}).encode()
    sock.sendall(head("/_fakebatch/files", key, f"Content-Length: {len(body)}", method="POST"))
    sock.sendall(body)
    answer = b""
    while b'"id": "' not in answer:
        answer += sock.recv(65_536)
    id_ = answer.split(b'"id": "')[1].split(b'"')[0].decode()
    with socket.create_connection(sock.getpeername()) as other:
        other.sendall(head(f"/v1/files/{id_}/content", key))
        other.recv(100)
        sock.sendall(head(f"/v1/files/{id_}/content", key))
        sock.recv(100)


def in_a_stream(sock: socket.socket, key: str) -> None:
    """Events that never end."""
    sock.sendall(head("/_fakebatch/events", key))
    while b"listening" not in sock.recv(1000):
        pass


STATES = (between_requests, in_an_upload, in_a_download, in_a_stream)


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("state", STATES)
def test_a_signal_ends_it_without_a_word(state: Any, number: int, tmp_path: Path) -> None:
    """Exit status 0, no traceback and no ready file, whatever is going on."""
    ready = tmp_path / "ready"
    with serving("--ready-file", str(ready)) as served:
        assert ready.read_text() == "".join(f"{n}={value}\n" for n, value in served.env.items())
        assert ready.stat().st_mode & 0o77 == 0
        with socket.create_connection(served.address, timeout=10) as sock:
            state(sock, served.env["OPENAI_API_KEY"])
            assert served.end(number) == (0, "")
    assert not ready.exists()


@pytest.mark.parametrize("state", STATES)
def test_a_client_that_dies_is_no_error(state: Any) -> None:
    """It resets the connection; others are answered, and nothing is printed."""
    with serving() as served:
        key = served.env["OPENAI_API_KEY"]
        with socket.create_connection(served.address, timeout=10) as sock:
            state(sock, key)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        url, headers = served.env["OPENAI_BASE_URL"], {"authorization": f"Bearer {key}"}
        assert requests.get(f"{url}/models", headers=headers, timeout=10).status_code == 200
        assert served.end(signal.SIGTERM) == (0, "")


IN_THE_MIDDLE = {
    "an upload": """
def pieces():
    yield b'--b\\r\\nContent-Disposition: form-data; name="file"; filename="a"\\r\\n\\r\\n'
    for n in range(10_000):
        yield b"{}\\n" * 10_000
        if n == 100: print("ready", flush=True)
call("/files", pieces(), "multipart/form-data; boundary=b")
""",
    "a download": """
file = upload(b"\\n".join([line("a" * 1_000)] * 40_000))
headers = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
url = os.environ["OPENAI_BASE_URL"] + "/files/%s/content" % file
response = urllib.request.urlopen(urllib.request.Request(url, headers=headers))
response.read(1000)
print("ready", flush=True)
import time
time.sleep(60)
""",
}


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("code", IN_THE_MIDDLE.values(), ids=IN_THE_MIDDLE)
def test_a_signal_ends_exec_and_its_command(code: str, number: int) -> None:
    """The status is that of the command; exec has printed the timeline, and no traceback."""
    default = f"import signal; signal.signal({number:d}, signal.SIG_DFL)\n"
    command = [*FAKEBATCH, "exec", "--", *client(default + code)]
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number, errors
    assert "fakebatch timeline: http://127.0.0.1:" in errors
    assert "Traceback" not in errors


def test_ten_clients_at_once() -> None:
    """Each its own batch, from upload to download."""
    with serving() as served:
        code = CLIENT + RUN + "assert json.loads(download(batch))['custom_id'] == 'a'"
        env = {**os.environ, **served.env}
        with ThreadPoolExecutor(10) as pool:
            commands = [pool.submit(_run_threads, code, env) for _ in range(2)]
        assert [each.result() for each in commands] == ["", ""]
        assert served.end(signal.SIGTERM) == (0, "")


def _run_threads(code: str, env: dict[str, str]) -> str:
    """Run code in five threads of a process. Returns what they printed as errors."""
    threads = f"""
import threading
threads = [threading.Thread(target=exec, args=({code!r}, {{}})) for _ in range(5)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    command = [sys.executable, "-c", threads]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stderr  # noqa: S603


def test_beyond_this_machine_it_says_what_that_means() -> None:
    """The control plane takes the token that it prints, and names that are allowed."""
    with serving("--host", "0.0.0.0", "--allow-host", "fake", lines=9) as served:  # noqa: S104
        assert any("whoever reaches this machine can use it" in line for line in served.lines)
        url, token = served.env["FAKEBATCH_URL"], served.env["FAKEBATCH_TOKEN"]
        statuses = [
            requests.get(f"{url}/_fakebatch/world", headers=headers, timeout=10).status_code
            for headers in (
                {},
                {"x-fakebatch-token": token},
                {"x-fakebatch-token": token, "host": "fake"},
                {"x-fakebatch-token": token, "host": "evil.example"},
            )
        ]
    assert statuses == [401, 200, 200, 403]


def test_a_port_that_is_taken_is_one_line() -> None:
    """And exit status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(app, ["serve", "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 1
    assert "Address already in use" in result.stderr
    assert len(result.stderr.splitlines()) == 1
