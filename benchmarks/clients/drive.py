"""Run one client as a command for the gauntlet: request lines in, what it says of each custom_id out.

    python drive.py NAME INPUT OUTPUT

Calls `run(requests)` of drivers/NAME.py, which gives an answer (the text, or the body of the response)
or an exception for each custom_id. Runs in the client's own environment, without fakebatch.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import runpy
import sys
from pathlib import Path


def main(name: str, source: str, target: str) -> None:
    """Drive a client, and write its results as the gauntlet reads them."""
    lines = Path(source).read_bytes().split(b"\n")
    requests = [json.loads(line) for line in lines if line]
    driver = runpy.run_path(str(Path(__file__).with_name("drivers") / f"{name}.py"))
    results = driver["run"](requests)
    if inspect.iscoroutine(results):
        results = asyncio.run(results)
    with Path(target).open("w", encoding="utf-8") as file:
        for custom_id, result in results.items():
            if isinstance(result, BaseException):
                outcome = {"error": repr(result)}
            else:
                outcome = {"answer": result}
            file.write(json.dumps({"custom_id": custom_id, **outcome}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
