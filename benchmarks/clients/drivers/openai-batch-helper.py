"""`init_job`, `submit_file`, `submit_batch_job`, `wait_for_completion`, as in its README.

Then `download_result` and `download_errors`. The id is kept, and `resume_job` goes on after a
restart. `map_by_custom_id` gives what a line has under `response`: one of the status 200 is an
answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openai_batch_helper import BatchHelper


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The body of each response, an error for each other."""
    helper, known = BatchHelper(endpoint=requests[0]["url"], workdir="work"), Path("batch_id")
    if known.exists():
        job = helper.resume_job(known.read_text())
    else:
        job = helper.init_job().add_lines(requests).submit_file().submit_batch_job()
        known.write_text(job.batch_id)
    job.wait_for_completion(poll_seconds=0.02)
    found: dict[str, Any] = {}
    if job.output_file_id or not job.error_file_id:
        found |= job.map_by_custom_id(results_path=job.download_result())
    if errors := job.download_errors():
        found |= job.map_by_custom_id(results_path=errors)
    return [
        (
            custom_id,
            response["body"] if response.get("status_code") == 200 else RuntimeError(str(response)),
        )
        for custom_id, response in found.items()
    ]
