"""`eval(task, batch=BatchConfig(…))`, its batch mode, with one sample for each request.

`fail_on_error=False` keeps the other samples when one fails. An answer is the sample's completion;
none, a refusal, or another `stop_reason` than `stop` counts as an error.
"""

from __future__ import annotations

from typing import Any

from inspect_ai import Task, eval  # noqa: A004
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalSample
from inspect_ai.model import BatchConfig
from inspect_ai.solver import generate


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The completion of each sample, or its error."""
    samples = [
        Sample(input=prompt(request["body"]), id=number) for number, request in enumerate(requests)
    ]
    [log] = eval(
        Task(dataset=samples, solver=generate()),
        model=f"openai/{requests[0]['body']['model']}",
        batch=BatchConfig(size=len(requests), send_delay=0.5, tick=0.02),
        max_samples=len(requests),
        max_connections=len(requests),
        fail_on_error=False,
        display="none",
    )
    return [
        (requests[int(sample.id)]["custom_id"], outcome(sample)) for sample in log.samples or []
    ]


def outcome(sample: EvalSample) -> object:
    """The completion of a sample, or an error."""
    if sample.error:
        return RuntimeError(sample.error.message)
    content = sample.output.message.content
    refused = any(getattr(part, "refusal", None) for part in content)
    if refused or not sample.output.completion or sample.output.stop_reason != "stop":
        return RuntimeError(f"{sample.output.completion!r}, {sample.output.stop_reason!r}")
    return sample.output.completion


def prompt(body: dict[str, Any]) -> str:
    """The text of a request for a response, or of the user in one for a chat completion."""
    return body["input"] if "input" in body else body["messages"][-1]["content"]
