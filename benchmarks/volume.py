"""50,000 requests of 2 kB: upload, validation, run and download, against the floor of the same run.

    python benchmarks/volume.py                  # every way, 111 MB
    python benchmarks/volume.py --bytes 4180     # 209 MB, just below the limit
    python benchmarks/volume.py --one respx:bytes

Each way runs in a process of its own. The floor is what no emulator can avoid: find the lines,
parse each, write an answer for each from a template, here without SDK, HTTP or check.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import MIB, Peak, about, cpu

WAYS = ("respx", "own")
FORMS = ("bytes", "path", "open file")
LINE = (
    '{"custom_id": "request-%d", "method": "POST", "url": "/v1/chat/completions", "body": '
    '{"model": "gpt-4o-mini", "messages": [{"role": "system", "content": "%s"}, '
    '{"role": "user", "content": "%d: %s"}], "max_tokens": 1000}}\n'
)


def requests(count: int, size: int) -> bytes:
    """A batch file: `count` lines of about `size` bytes, half of each what the user said."""
    half = (size - len(LINE)) // 2
    system = ("You are a helpful assistant. " * (half // 29 + 1))[:half]
    user = ("Please sum this up in one line. " * (half // 32 + 1))[:half]
    return b"".join((LINE % (number, system, number, user)).encode() for number in range(count))


def floor(content: bytes) -> int:
    """Scan, parse, and write output from a template."""
    from pydantic_core import from_json  # noqa: PLC0415  # the process must not know it before

    template = output_template()
    written, start = [], 0
    while start < len(content):
        end = content.find(b"\n", start)
        said = from_json(content[start:end])
        text, custom_id = said["body"]["messages"][-1]["content"], said["custom_id"]
        quoted = json.dumps(text)
        written.append((template % (custom_id, quoted)).encode())
        start = end + 1
    return len(b"".join(written))


def output_template() -> str:
    """A line of an output file as the service writes it, with two places left open."""
    body = {
        "id": "chatcmpl-" + "x" * 29,
        "object": "chat.completion",
        "created": 1767225600,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant", "content": "CONTENT", "refusal": None, "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 500, "completion_tokens": 250, "total_tokens": 750,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }  # fmt: skip
    line = {
        "id": "batch_req_" + "0" * 32,
        "custom_id": "%s",
        "response": {"status_code": 200, "request_id": "0" * 36, "body": body},
        "error": None,
    }
    return json.dumps(line).replace('"CONTENT"', "%s") + "\n"


def whole_life(client: Any, clock: Any, file: Any) -> tuple[int, dict[str, float]]:
    """Upload, create, wait, download; the length of the output and the seconds of each step."""
    took: dict[str, float] = {}

    def step(name: str, call: Callable[[], Any]) -> Any:
        began = cpu()
        result = call()
        took[name] = cpu() - began
        return result

    uploaded = step("upload", lambda: client.files.create(file=file, purpose="batch"))
    batch = client.batches.create(
        input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    clock.advance("10m")
    step("validate", lambda: client.batches.retrieve(batch.id))
    clock.advance("2h")
    ended = step("run", lambda: client.batches.retrieve(batch.id))
    output = step("download", lambda: client.files.content(ended.output_file_id).read())
    again = step("again", lambda: client.files.content(ended.output_file_id).read())
    if (ended.status, output) != ("completed", again):
        raise SystemExit(f"{ended.status}, {len(output)} and {len(again)} bytes")
    return len(output), took


def measured(way: str, form: str, path: Path) -> dict[str, Any]:
    """One way through, in this process."""
    if way == "floor":
        content = path.read_bytes()
        began = cpu()
        return {"output": floor(content), "seconds": cpu() - began}
    from fakebatch import FakeBatch  # noqa: PLC0415

    with FakeBatch(clock="manual") as fake:
        import openai  # noqa: PLC0415

        client = fake.openai() if way == "own" else openai.OpenAI()
        client.batches.list()  # what is loaded lazily is loaded now
        content = path.read_bytes() if form == "bytes" else None
        with path.open("rb") as opened, Peak() as peak:
            file = {"bytes": content, "path": path, "open file": opened}[form]
            began = cpu()
            length, took = whole_life(client, fake.clock, file)
            seconds = cpu() - began - took.pop("again")
    return {"output": length, "seconds": seconds, "extra": peak.extra, "steps": took}


def in_a_process(way: str, form: str, path: Path) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--one", f"{way}:{form}", "--file", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return dict(json.loads(done.stdout))


def report(path: Path, repeats: int) -> None:
    """Every way, the best of some runs, beside the floor."""
    best = min((in_a_process("floor", "", path) for _ in range(repeats)), key=_seconds)
    size = path.stat().st_size
    print(f"input {size / MIB:.0f} MiB, output {best['output'] / MIB:.0f} MiB")
    print(f"floor {best['seconds']:.2f} s; extra memory is what the caller does not hold\n")
    for way in WAYS:
        for form in FORMS:
            runs = [in_a_process(way, form, path) for _ in range(repeats)]
            one = min(runs, key=_seconds)
            factor = 1.2 + (way == "respx") * (2 if form == "path" else 1)  # respx joins the body
            limit = (factor * size + one["output"]) / MIB + 20
            extra = min(run["extra"] for run in runs) / MIB
            steps = ", ".join(f"{name} {took:.2f}" for name, took in one["steps"].items())
            ratio = one["seconds"] / best["seconds"]
            print(
                f"{way + ', ' + form:18} {one['seconds']:.2f} s, {ratio:.2f} of the floor", end=""
            )
            print(f"   {extra:.0f} MiB of {limit:.0f} allowed   ({steps})")


def _seconds(one: dict[str, Any]) -> float:
    return float(one["seconds"])


def main() -> None:
    """The command."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--bytes", type=int, default=2_200, help="of each line")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", help="way:form, in this process")
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    if given.one and given.file:
        way, _, form = given.one.partition(":")
        print(json.dumps(measured(way, form, given.file)))
        return
    about()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requests.jsonl"
        path.write_bytes(requests(given.lines, given.bytes))
        if given.one:
            way, _, form = given.one.partition(":")
            print(json.dumps(in_a_process(way, form, path), indent=2))
            return
        report(path, given.repeats)


if __name__ == "__main__":
    main()
