"""Batches with rules against the same batch without: at most 1.3 of its memory and 2 of its time.

python benchmarks/rules.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from measuring import MIB, Peak, about, cpu

from fakebatch import FakeBatch

BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "gpt-5-nano",
        "messages": [{"role": "user", "content": "x" * 2_000}],
    },
    "/v1/responses": {"model": "gpt-5-nano", "input": "x" * 2_000},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "x"},
}
RULES: dict[str, Callable[[FakeBatch], object]] = {
    "no rule": lambda _: None,
    "a rule that no line meets": lambda fake: fake.on(custom_id="none").fail(429),
    "a predicate": lambda fake: fake.on(lambda _: False).fail(429),
    "a callable for each line": lambda fake: fake.on().reply(lambda line: str(line.body)[:2_000]),
    "a callable for one": lambda fake: fake.on(index=0).reply(lambda _: {"a": "b"}),
    "a tenth fails": lambda fake: fake.on(fraction=0.1).fail(429),
    "a tenth is cut": lambda fake: fake.on(fraction=0.1).corrupt("cut"),
    "the order of the input": lambda fake: fake.on_batch().result_files(order="input"),
}


def measured(endpoint: Any, rule: str, lines: int) -> dict[str, float]:
    """Seconds and bytes of a batch, from the upload to the end of the download."""
    body = BODIES[endpoint]
    content = b"\n".join(
        json.dumps({"custom_id": str(n), "method": "POST", "url": endpoint, "body": body}).encode()
        for n in range(lines)
    )
    with FakeBatch(clock="manual", unused_rules="ignore") as fake:
        RULES[rule](fake)
        client = fake.openai()
        client.batches.list()
        with Peak() as peak:
            began = cpu()
            file = client.files.create(file=content, purpose="batch")
            batch = client.batches.create(
                input_file_id=file.id, endpoint=endpoint, completion_window="24h"
            )
            fake.clock.advance("25h")
            output = client.batches.retrieve(batch.id).output_file_id or ""
            with client.files.with_streaming_response.content(output) as response:
                for _ in response.iter_bytes():
                    pass
            seconds = cpu() - began
    return {"seconds": seconds, "bytes": peak.extra}


def main() -> None:
    """The command."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--one", nargs=2, help="endpoint and rule, in this process")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(*given.one, given.lines)))
        return
    about()
    for endpoint in BODIES:
        print(endpoint)
        plain: dict[str, float] = {}
        for rule in RULES:
            if endpoint == "/v1/embeddings" and rule == "a callable for each line":
                continue
            command = [sys.executable, __file__, "--lines", str(given.lines)]
            done = subprocess.run(  # noqa: S603
                [*command, "--one", endpoint, rule], check=True, capture_output=True, text=True
            )
            one: dict[str, float] = json.loads(done.stdout)
            plain = plain or one
            memory = one["bytes"] / max(plain["bytes"], 8 * MIB)
            print(f"  {rule:28} {one['seconds'] / plain['seconds']:.2f} of the time", end="")
            print(f"   {memory:.2f} of the memory ({one['bytes'] / MIB:.0f} MiB)")


if __name__ == "__main__":
    main()
