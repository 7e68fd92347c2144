"""Run one client as a command of the gauntlet: request lines in, what it says of each id out.

    python drive.py NAME INPUT OUTPUT STATE

Calls `run(requests)` of drivers/NAME.py, in the folder STATE. It gives (custom_id, result) pairs:
a result is an exception, or the answer as text or as response body. This runs in the client's
environment, without fakebatch.

    python drive.py --warm SOCKET MODULE ...

imports the modules once, and forks for each `python warm.py SOCKET NAME INPUT OUTPUT STATE`: some
clients take seconds to import.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path


def main(name: str, source: str, target: str, state: str) -> None:
    """Drive a client, and write its results as the gauntlet reads them."""
    lines = Path(source).read_bytes().split(b"\n")
    requests = [json.loads(line) for line in lines if line]
    driver = Path(__file__).resolve().with_name("drivers") / f"{name}.py"
    output = Path(target).absolute()
    os.chdir(state)
    try:
        results = runpy.run_path(str(driver))["run"](requests)
        if inspect.iscoroutine(results):
            results = asyncio.run(results)
    except Exception as error:  # noqa: BLE001  # whatever the client raises
        traceback.print_exc()
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
    with output.open("w", encoding="utf-8") as file:
        for custom_id, result in results:
            if isinstance(result, BaseException):
                outcome = {"error": repr(result)}
            else:
                outcome = {"answer": result}
            file.write(json.dumps({"custom_id": custom_id, **outcome}) + "\n")


def warm(address: str, *modules: str) -> None:
    """Fork for each call that arrives."""
    for module in modules:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(address)
        server.listen()
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                break
            connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, [stdout, stderr], *_ = socket.recv_fds(connection, 1 << 20, 2)
    call = json.loads(message)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.environ.clear()
    os.environ.update(call["env"])
    os.chdir(call["cwd"])
    threading.Thread(target=_end_with, args=[connection], daemon=True).start()
    main(*call["arguments"])
    connection.send(b"done")


def _end_with(connection: socket.socket) -> None:
    """End this process when the other end of a connection does."""
    connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1] == "--warm":
        warm(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
