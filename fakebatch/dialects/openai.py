"""OpenAI itself, as observed in 2025 and 2026. docs/fidelity.md has the source of every line."""

from __future__ import annotations

from fakebatch.dialects.base import Dialect, ErrorCode, ErrorKind, ErrorTemplate, Limits
from fakebatch.dialects.knobs import FileRules, Ids, Listing, Pace, Shapes, Window

CHALLENGE = {"www-authenticate": 'Bearer realm="OpenAI API"'}

REFUSALS = {
    ErrorKind.NO_KEY: ErrorTemplate(
        "You didn't provide an API key. You need to provide your API key in an Authorization "
        "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field "
        "(with blank username) if you're accessing the API from your browser and are prompted for "
        "a username and password. You can obtain an API key from "
        "https://platform.openai.com/account/api-keys.",
        status=401,
        headers=CHALLENGE,
    ),
    ErrorKind.WRONG_KEY: ErrorTemplate(
        "Incorrect API key provided: {key}. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
        status=401,
        headers=CHALLENGE,
    ),
    ErrorKind.NO_SUCH_FILE: ErrorTemplate("No such File object: {id}", param="id", status=404),
    ErrorKind.NO_SUCH_BATCH: ErrorTemplate("No batch found with id '{id}'.", status=404),
    ErrorKind.NO_SUCH_UPLOAD: ErrorTemplate("No such Upload object: {id}", param="id", status=404),
    ErrorKind.NO_SUCH_MODEL: ErrorTemplate(
        "The model '{id}' does not exist or you do not have access to it.",
        code="model_not_found",
        param="model",
        status=404,
    ),
    ErrorKind.NO_MODEL: ErrorTemplate("you must provide a model parameter"),
    ErrorKind.NO_SUCH_ROUTE: ErrorTemplate("Invalid URL ({method} /v1{path})", status=404),
    ErrorKind.WRONG_METHOD: ErrorTemplate(
        "Not allowed to {method} on /v1{path} (HINT: Perhaps you meant to use a different HTTP "
        "method?)",
        status=405,
    ),
    ErrorKind.NOT_JSON: ErrorTemplate(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't "
        "using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was "
        "sent was not valid JSON. If you have trouble figuring out how to fix this, please contact "
        "us through our help center at help.openai.com.)"
    ),
    ErrorKind.BAD_PURPOSE: ErrorTemplate(
        "'{value}' is not one of {known} - 'purpose'", param="purpose"
    ),
    ErrorKind.NOT_JSONL: ErrorTemplate("Invalid file format for Batch API. Must be .jsonl"),
    ErrorKind.FILE_EMPTY: ErrorTemplate("Invalid file format for Batch API. Must be .jsonl"),
    ErrorKind.TOO_MANY_FILES: ErrorTemplate(
        "There are {limit} batch files already; delete some first."
    ),
    ErrorKind.FILE_TOO_LARGE: ErrorTemplate("File is too large."),
    ErrorKind.MISSING: ErrorTemplate(
        "Missing required parameter: '{name}'.", code="missing_required_parameter", param="{name}"
    ),
    ErrorKind.BAD_VALUE: ErrorTemplate(
        "Invalid value: '{value}'. Supported values are: {known}.",
        code="invalid_value",
        param="{name}",
    ),
    ErrorKind.BAD_TYPE: ErrorTemplate(
        "Invalid type for '{name}': expected {wanted}, but got {got} instead.",
        code="invalid_type",
        param="{name}",
    ),
    ErrorKind.TOO_MANY_PROPERTIES: ErrorTemplate(
        "Invalid '{name}': too many properties. Expected an object with at most {most} properties, "
        "but got an object with {got} properties instead.",
        code="object_above_max_properties",
        param="{name}",
    ),
    ErrorKind.KEY_TOO_LONG: ErrorTemplate(
        "Invalid property name in '{name}': too long. Expected a property name with maximum length "
        "{most}, but got a property name with length {got} instead.",
        code="property_name_above_max_length",
        param="{name}",
    ),
    ErrorKind.STRING_TOO_LONG: ErrorTemplate(
        "Invalid '{name}': string too long. Expected a string with maximum length {most}, but got "
        "a string with length {got} instead.",
        code="string_above_max_length",
        param="{name}",
    ),
    ErrorKind.TOO_LOW: ErrorTemplate(
        "Invalid '{name}': integer below minimum value. Expected a value >= {least}, but got "
        "{got} instead.",
        code="integer_below_min_value",
        param="{name}",
    ),
    ErrorKind.TOO_HIGH: ErrorTemplate(
        "Invalid '{name}': integer above maximum value. Expected a value <= {most}, but got "
        "{got} instead.",
        code="integer_above_max_value",
        param="{name}",
    ),
    ErrorKind.BAD_ORDER: ErrorTemplate("order must be asc or desc."),
    ErrorKind.CANNOT_CANCEL: ErrorTemplate(
        "Cannot cancel a batch with status '{status}'.", status=409
    ),
    ErrorKind.NO_SUCH_INPUT: ErrorTemplate(
        "Cannot find file {id}, or project proj_fakebatch does not have access to it.",
        param="file_id",
    ),
    ErrorKind.WRONG_PURPOSE: ErrorTemplate(
        "Invalid file purpose '{purpose}' for file '{id}'. The input file of a batch must have the "
        "purpose 'batch'.",
        param="input_file_id",
    ),
    ErrorKind.FILE_NOT_READY: ErrorTemplate(
        "The input file '{id}' is in '{status}' state. Only files with status 'processed' can be "
        "used to create a batch.",
        param="input_file_id",
    ),
    ErrorKind.TOO_MANY_UPLOADS: ErrorTemplate(
        "Rate limit reached for file uploads in organization org-fakebatch: Limit {limit} per "
        "minute. Please try again later.",
        code="rate_limit_exceeded",
        type="requests",
        status=429,
    ),
    ErrorKind.TOO_MANY_BATCHES: ErrorTemplate(
        "Rate limit reached for batch creation in organization org-fakebatch: Limit {limit} per "
        "hour. Please try again later.",
        code="rate_limit_exceeded",
        type="requests",
        status=429,
    ),
    ErrorKind.UPLOAD_OVER: ErrorTemplate("Upload {id} is not pending: its status is '{status}'."),
    ErrorKind.NO_SUCH_PART: ErrorTemplate("No such Upload Part object: {id}", param="part_ids"),
    ErrorKind.PART_TWICE: ErrorTemplate("Duplicate part id: {id}", param="part_ids"),
    ErrorKind.OTHER_LENGTH: ErrorTemplate(
        "The parts have {got} bytes in total, but the upload was created with {wanted} bytes."
    ),
    ErrorKind.OTHER_DIGEST: ErrorTemplate(
        "The md5 checksum of the parts is {got}, but {wanted} was given.", param="md5"
    ),
}

FLAWS = {
    ErrorCode.BAD_JSON: ErrorTemplate(
        "This line is not parseable as valid JSON.", code="invalid_json_line"
    ),
    ErrorCode.MISSING: ErrorTemplate(
        "Missing required parameter: '{name}'.", code="missing_required_parameter", param="{param}"
    ),
    ErrorCode.BAD_TYPE: ErrorTemplate(
        "Invalid type for '{name}': expected {wanted}, but got {got} instead.",
        code="invalid_type",
        param="{name}",
    ),
    ErrorCode.MODEL_REQUIRED: ErrorTemplate(
        "Model parameter is required.", code="invalid_request", param="body.model"
    ),
    ErrorCode.DUPLICATE_ID: ErrorTemplate(
        "The custom_id for this request is a duplicate of another request. The custom_id parameter "
        "must be unique for each request in a batch.",
        code="duplicate_custom_id",
        param="custom_id",
    ),
    ErrorCode.BAD_METHOD: ErrorTemplate(
        "Invalid method: '{value}'. Only 'POST' is supported.",
        code="invalid_method",
        param="method",
    ),
    ErrorCode.BAD_URL: ErrorTemplate(
        "The URL provided for this request does not match the batch endpoint.",
        code="invalid_url",
        param="url",
    ),
    ErrorCode.OTHER_MODEL: ErrorTemplate(
        "The model '{model}' for this request does not match the rest of the batch. Each batch "
        "must contain requests for a single model.",
        code="mismatched_model",
        param="body.model",
    ),
    ErrorCode.UNKNOWN_MODEL: ErrorTemplate(
        "The provided model '{model}' is not supported by the Batch API.",
        code="model_not_found",
        param="body.model",
    ),
    ErrorCode.STREAMING: ErrorTemplate(
        "Chat Completions: Streaming is not supported in the Batch API.",
        code="streaming_unsupported",
        param="body.stream",
    ),
    ErrorCode.NO_INPUT_FILE: ErrorTemplate(
        "Cannot find file {id}, or organization org-fakebatch does not have access to it.",
        code="invalid_request",
        param="file_id",
    ),
    ErrorCode.EMPTY: ErrorTemplate("The batch input file is empty.", code="empty_file"),
    ErrorCode.TOO_MANY_LINES: ErrorTemplate(
        "The batch input file contains too many requests. The maximum number of requests per batch "
        "is {limit}.",
        code="too_many_requests",
    ),
    ErrorCode.TOO_LARGE: ErrorTemplate(
        "The batch input file is larger than the {limit} maximum for the {model} model. Please try "
        "again with a smaller batch.",
        code="file_too_large",
    ),
    ErrorCode.TOO_MANY_INPUTS: ErrorTemplate(
        "The batch contains too many embedding inputs. The maximum across all requests is {limit}.",
        code="too_many_inputs",
    ),
    ErrorCode.OVER_QUOTA: ErrorTemplate(
        "Enqueued token limit reached for {model} in organization org-fakebatch. Limit: {limit:,} "
        "enqueued tokens. Please try again once some in_progress batches have been completed.",
        code="token_limit_exceeded",
    ),
    ErrorCode.BAD_WINDOW: ErrorTemplate(
        "Invalid value: '{value}'. Supported values are: {known}.",
        code="invalid_value",
        param="completion_window",
    ),
}

LOST_LINES = {
    "batch_expired": "This request could not be executed before the completion window expired.",
    "batch_cancelled": "This request was cancelled.",
    "request_timeout": "This request timed out.",
}

LINE_ERRORS = {
    400: ErrorTemplate("The request is invalid."),
    401: ErrorTemplate("Incorrect API key provided.", code="invalid_api_key"),
    403: ErrorTemplate("You are not allowed to use this model."),
    404: ErrorTemplate("The model does not exist.", code="model_not_found"),
    429: ErrorTemplate(
        "Rate limit reached. Please try again later.", code="rate_limit_exceeded", type="requests"
    ),
    500: ErrorTemplate(
        "The server had an error while processing your request. Sorry about that!",
        type="server_error",
    ),
    503: ErrorTemplate(
        "The engine is currently overloaded, please try again later.", type="server_error"
    ),
}

SNAPSHOTS = {
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
}

OPENAI = Dialect(
    name="openai",
    title="OpenAI",
    base_urls=("https://api.openai.com/v1",),
    endpoints=(
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/moderations",
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/videos",
    ),
    purposes=("fine-tune", "assistants", "batch", "user_data", "vision", "evals"),
    snapshots=SNAPSHOTS,
    errors=REFUSALS,
    batch_errors=FLAWS,
    unfinished_line_errors=LOST_LINES,
    line_errors=LINE_ERRORS,
    unimplemented_paths=frozenset(
        (
            *("assistants", "audio", "chat", "completions", "containers", "conversations"),
            *("embeddings", "evals", "fine_tuning", "images", "models", "moderations"),
            *("organization", "realtime", "responses", "skills", "threads"),
            *("vector_stores", "videos", "webhook_endpoints"),
        )
    ),
    webhook_headers={"user-agent": "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)"},
    headers={
        "openai-version": "2020-10-01",
        "openai-organization": "org-fakebatch",
        "openai-project": "proj_fakebatch",
        "x-openai-proxy-wasm": "v0.1",
        "access-control-expose-headers": "CF-Ray, X-Request-ID",
        "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
        "x-content-type-options": "nosniff",
        "cf-cache-status": "DYNAMIC",
        "server": "cloudflare",
        "openai-processing-ms": "{milliseconds}",
        "x-request-id": "{request_id}",
    },
    auth={"authorization": "Bearer"},
    environment=("OPENAI_API_KEY",),
    required=("input_file_id", "endpoint", "completion_window"),
    cancels=("validating", "in_progress", "finalizing", "cancelling", "cancelled"),
    window=Window(),
    shapes=Shapes(),
    ids=Ids(),
    batches_list=Listing(),
    files_list=Listing(usual=10_000, most=10_000),
    files=FileRules(),
    limits=Limits(),
    pace=Pace(),
)
