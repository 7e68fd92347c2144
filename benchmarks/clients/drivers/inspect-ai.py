"""`eval(task, batch=BatchConfig(…))`, its batch mode, with one sample for each request.

`fail_on_error=False` keeps the other samples when one fails. An answer is the sample's completion.
"""

from __future__ import annotations

from typing import Any

from inspect_ai import Task, eval  # noqa: A004
from inspect_ai.dataset import Sample
from inspect_ai.model import BatchConfig
from inspect_ai.solver import generate


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The completion of each sample, or its error."""
    samples = [
        Sample(input=request["body"]["messages"][-1]["content"], id=number)
        for number, request in enumerate(requests)
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
        (
            requests[int(sample.id)]["custom_id"],
            RuntimeError(sample.error.message) if sample.error else sample.output.completion,
        )
        for sample in log.samples or []
    ]
