"""Providers whose batch API is another one: why pointing an OpenAI client at them cannot work."""

from __future__ import annotations

BEYOND = {
    "anthropic": (
        "requests are sent inline to /v1/messages/batches, without files, and come back as results "
        "of another form"
    ),
    "fireworks": (
        "batches are jobs over datasets at /v1/accounts/{account}/batchInferenceJobs, in camel case"
    ),
    "gemini": (
        "its OpenAI-compatible side has batches but no files: input and results go through the "
        "native File API"
    ),
    "mistral": (
        "batches are jobs at /v1/batch/jobs with input_files and timeout_hours, and other statuses"
    ),
    "openrouter": (
        "requests are sent inline to /api/v1/batches and results come back inline, without files"
    ),
    "together": (
        "uploads are redirected to signed addresses, create wraps the batch in {job, warning}, a "
        "list is a bare array, and statuses are others"
    ),
    "vllm": "run_batch is a command over files; it has no HTTP API of batches",
    "xai": (
        "/v1/batches is there but takes a name, counts instead of having a status, and pages its "
        "results without an output file"
    ),
}
"""By the name somebody would try as a dialect."""
