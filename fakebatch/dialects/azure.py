"""Azure OpenAI in Microsoft Foundry: learn.microsoft.com, "Azure OpenAI batch"."""

from __future__ import annotations

from dataclasses import replace

from fakebatch.dialects.base import ErrorCode, ErrorKind, ErrorTemplate
from fakebatch.dialects.facts import documented, inferred, observed
from fakebatch.dialects.openai import OPENAI

CODES = {
    ErrorCode.BAD_JSON: "invalid_json_line",
    ErrorCode.TOO_MANY_LINES: "too_many_tasks",
    ErrorCode.BAD_URL: "url_mismatch",
    ErrorCode.UNKNOWN_MODEL: "model_not_found",
    ErrorCode.DUPLICATE_ID: "duplicate_custom_id",
    ErrorCode.EMPTY: "empty_file",
    ErrorCode.OTHER_MODEL: "model_mismatch",
    ErrorCode.MISSING: "invalid_request",
    ErrorCode.BAD_WINDOW: "invalid_request",
}
DENIED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
    "valid key for an active subscription and use a correct regional API endpoint for your "
    "resource."
)

AZURE = OPENAI.derive(
    "azure",
    "Azure OpenAI",
    documented(
        "REST reference: the v1 API, and the classic one that demands an api-version",
        base_urls=(
            "https://*.openai.azure.com/openai/v1",
            "https://*.openai.azure.com/openai?api-version",
        ),
        auth={"api-key": "", "authorization": "Bearer"},
        environment=("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"),
        answers={"files.create": 201},
    ),
    documented(
        "guide and REST reference: endpoint and url with and without /v1",
        endpoints=(
            *("/v1/chat/completions", "/chat/completions", "/v1/responses", "/responses"),
            *("/v1/embeddings", "/embeddings", "/v1/completions", "/completions"),
        ),
    ),
    documented(
        "guide: any window but 24h fails the job; jobs go on after it until they are cancelled",
        window={"refused": False, "ends": False},
    ),
    documented(
        "guide: limits",
        limits={"batch_lines": 100_000, "batch_files": 500, "expiry_least": 1_209_600},
    ),
    documented(
        "REST samples of batches, of lists and of result lines",
        ids={"batch": "batch_{uuid}", "file": "file-{hex}"},
        shapes={
            "batch": OPENAI.shapes.batch.replace(
                " endpoint ", " endpoint=endpoint_once_valid "
            ).replace("request_counts", "request_counts=counts_once_valid"),
            "answered": ("custom_id response.body response.request_id response.status_code error"),
            "lost": "custom_id response=null error",
            "entry": "code message",
        },
        batches_list={"shape": "data first_id last_id has_more"},
    ),
    documented(
        "guide: the error file is there even where it is empty",
        always_written_files=frozenset({"errors"}),
    ),
    documented(
        "guide: error codes of a failed validation; their words are OpenAI's",
        batch_errors={
            flaw: replace(OPENAI.batch_errors[flaw], code=code) for flaw, code in CODES.items()
        },
    ),
    observed(
        "openai-dotnet#312 and Microsoft Q&A 2203029",
        files={"statuses": {"pending": 0, "processed": 30}},
        errors={
            ErrorKind.FILE_NOT_READY: ErrorTemplate(
                "The input file '{id}' is in '{status}' state. Only files with status 'Processed' "
                "are accepted for batch inferencing. Please check the file status and try again"
            ),
        },
    ),
    observed(
        "many reports: codes are texts, and there is neither type nor param",
        shapes={"error": "error.code=code_or_status error.message", "error_of_files": ""},
        errors={
            ErrorKind.NO_KEY: ErrorTemplate(DENIED, status=401),
            ErrorKind.WRONG_KEY: ErrorTemplate(DENIED, status=401),
        },
    ),
    inferred(
        "the same form for what is not there",
        errors={
            ErrorKind.NO_SUCH_ROUTE: ErrorTemplate("Resource not found", status=404),
            ErrorKind.NO_SUCH_FILE: ErrorTemplate("Resource not found", status=404),
            ErrorKind.NO_SUCH_BATCH: ErrorTemplate("Resource not found", status=404),
        },
        headers={"x-request-id": "{request_id}"},
        snapshots={},
        unimplemented_paths=OPENAI.unimplemented_paths | {"deployments"},
    ),
    documented(
        "guide: batches from and to a blob container",
        unsupported={"input_blob": "input and results lie in a blob container, not in files."},
    ),
    unknown=(
        "how long a file is pending: here 30 s",
        "whether an endpoint stays null after the creation: here until validation has ended",
        "codes of refusals other than 401 and 404",
    ),
    left_out=(
        "10,000 batch files where an expiry is set",
        "the Location header of an upload, and its refusal where the part has no content type",
        "ISO 8601 times and capitalised statuses of older API versions",
        "the filters $filter and $orderby, and lists in {value: []}",
        "content_filter_results in answers",
        "the name of the model behind a deployment: the model of an answer is what was asked for",
        "a request without api-version, which the classic API answers with 404: here it is told",
    ),
)
