"""OpenAI as it was in 2024, where clients still expect it or old recordings are replayed."""

from __future__ import annotations

from fakebatch.dialects.base import ErrorCode, ErrorTemplate
from fakebatch.dialects.facts import documented, observed
from fakebatch.dialects.openai import OPENAI
from fakebatch.durations import SECOND

OPENAI_2024 = OPENAI.derive(
    "openai-2024",
    "OpenAI in 2024",
    observed(
        "ruby-openai, April 2024; openai-dotnet, before autumn 2024",
        ids={
            "batch": "batch_{base62}",
            "file": "file-{base62}",
            "line": "batch_req_{base62}",
            "request": "{hex}",
        },
        shapes={
            "batch": (
                "id object endpoint errors input_file_id completion_window status output_file_id "
                "error_file_id created_at in_progress_at expires_at finalizing_at completed_at "
                "failed_at expired_at cancelling_at cancelled_at request_counts metadata"
            ),
            "file": "object id purpose filename bytes created_at status status_details",
        },
        pace={"cancelling": 313 * SECOND, "keeps_batch_files": None},
    ),
    observed(
        "curator #116, November and December 2024",
        refuses_missing_input=True,
    ),
    documented(
        "the API reference and the FAQ of 2024",
        endpoints=("/v1/chat/completions", "/v1/completions", "/v1/embeddings"),
        batch_errors={
            ErrorCode.BAD_URL: ErrorTemplate(
                "The URL provided for this request does not prefix-match the batch endpoint.",
                code="invalid_url",
                param="url",
            ),
        },
        limits={"batch_bytes": 100 * 1024 * 1024},
    ),
    left_out=("the error file of a batch that was cancelled while it validated",),
)
