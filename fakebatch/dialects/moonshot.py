"""Moonshot AI, whose platform is called Kimi: platform.kimi.com and platform.kimi.ai."""

from __future__ import annotations

from fakebatch.dialects.base import ErrorKind, ErrorTemplate
from fakebatch.dialects.facts import documented, inferred
from fakebatch.dialects.openai import OPENAI

MB = 1024 * 1024

MOONSHOT = OPENAI.derive(
    "moonshot",
    "Moonshot / Kimi",
    documented(
        "API reference, Batch and Files",
        base_urls=("https://api.moonshot.cn/v1", "https://api.moonshot.ai/v1"),
        environment=("MOONSHOT_API_KEY",),
        endpoints=("/v1/chat/completions",),
        purposes=("file-extract", "image", "video", "batch"),
        shapes={
            "batch": (
                "id object endpoint input_file_id completion_window status output_file_id "
                "error_file_id created_at in_progress_at expires_at finalizing_at completed_at "
                "failed_at cancelling_at cancelled_at request_counts metadata"
            ),
            "file": "id object bytes created_at filename purpose status status_details",
            "deleted": "id object deleted",
        },
        batches_list={"shape": "object data has_more"},
        files_list={"shape": "object data", "cursor": ""},
        files={"statuses": {"ready": 0}, "extensions": (".jsonl",), "renames": True},
    ),
    documented(
        "guide to the Batch API: limits and windows",
        window={"units": "hd", "least": "12h", "most": "7d"},
        limits={"file_bytes": 100 * MB, "batch_bytes": 100 * MB, "batch_files": 1_000},
        batch_models=("kimi-k2.7-code", "kimi-k2.6", "kimi-k2.5"),
        snapshots={},
    ),
    documented(
        "guide to the Batch API: its request names input_file_id and completion_window alone; "
        "the reference requires endpoint as well",
        required=("input_file_id", "completion_window"),
    ),
    documented(
        "guide to the Batch API: sample of a result line",
        shapes={
            "answered": (
                "id=custom_id custom_id response.status_code "
                'response.request_id="" response.body error'
            ),
        },
    ),
    documented(
        "API reference, Cancel Batch; the exact words are ours",
        cancels=("validating", "in_progress", "finalizing"),
        errors={
            ErrorKind.CANNOT_CANCEL: ErrorTemplate(
                "The batch's state does not allow cancel: it is '{status}'.", status=400
            ),
        },
    ),
    documented(
        "news of August 2026: ids of files",
        ids={"file": "file_{ulid}"},
    ),
    documented(
        "API reference, errors: message, type, and at times code",
        shapes={"error": "error.message error.type", "error_of_files": ""},
        headers={"x-request-id": "{request_id}"},
        errors={
            ErrorKind.NO_KEY: ErrorTemplate(
                "Invalid Authentication", type="invalid_authentication_error", status=401
            ),
            ErrorKind.WRONG_KEY: ErrorTemplate(
                "Incorrect API key provided", type="incorrect_api_key_error", status=401
            ),
            ErrorKind.BAD_PURPOSE: ErrorTemplate(
                "Invalid purpose: {value}, only file-extract, batch, batch_output, lambda, image "
                "and video accepted"
            ),
            ErrorKind.FILE_EMPTY: ErrorTemplate(
                "File size is zero, please confirm and re-upload the file"
            ),
            ErrorKind.FILE_TOO_LARGE: ErrorTemplate(
                "File size is too large, max file size is 100MB, please confirm and re-upload the "
                "file"
            ),
        },
    ),
    inferred(
        "types by HTTP status as the reference lists them; the words are ours",
        errors={
            ErrorKind.NO_SUCH_FILE: ErrorTemplate(
                "file {id} not found", type="resource_not_found_error", status=404
            ),
            ErrorKind.NO_SUCH_BATCH: ErrorTemplate(
                "batch {id} not found", type="resource_not_found_error", status=404
            ),
            ErrorKind.NO_SUCH_MODEL: ErrorTemplate(
                "Not found the model {id} or Permission denied",
                type="resource_not_found_error",
                status=404,
            ),
            ErrorKind.NO_SUCH_ROUTE: ErrorTemplate(
                "Not found: {method} {path}", type="resource_not_found_error", status=404
            ),
            ErrorKind.TOO_MANY_BATCHES: ErrorTemplate(
                "Request reached the limit of {limit} batches per hour, please try again later",
                type="rate_limit_reached_error",
                status=429,
            ),
            ErrorKind.TOO_MANY_UPLOADS: ErrorTemplate(
                "Request reached the limit of {limit} uploads per minute, please try again later",
                type="rate_limit_reached_error",
                status=429,
            ),
            ErrorKind.TOO_MANY_FILES: ErrorTemplate(
                "The number of batch files has reached the limit of {limit}"
            ),
        },
    ),
    unknown=(
        "what the service does where `endpoint` is missing: here it is /v1/chat/completions",
        "whether a file is `ready` or `ok`: the documents have both",
        "whether a window is echoed as it was sent, or normalised",
        "the form of batch ids",
        "request_counts.total right after the creation",
        "where the reason of a failed validation can be read: the batch has no `errors`",
        "the form of a line in the error file",
        "the greatest `limit` of a list",
        "whether result files count among the 1,000 batch files",
        "how long result files are kept",
        "what temperature, top_p, n and the penalties in a line's body lead to",
        "whether the first line of an upload is looked at",
    ),
    left_out=(
        "the files contract of the header kimi-api-version",
        "the normalised bytes of an uploaded JSONL, and the extracted text of file-extract",
        "10 GB over all files of a user",
    ),
)
