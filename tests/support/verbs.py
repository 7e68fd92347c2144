"""Every verb of every family as a test writes it, and as a file has it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Written(NamedTuple):
    """A rule in Python, and the same in a file."""

    call: str
    """Evaluated with the selectors of a FakeBatch, and `math`."""
    family: str
    table: dict[str, Any]


FIRST_FILE = "file-2PbNWcDDgw3QXQKkvgK3Wk"
"""The id of the first upload with the default seed."""

ROWS = [
    # lines
    Written("on().reply('hi')", "on", {"reply": {"answer": "hi"}}),
    Written(
        "on(index=0).reply({'x': [1, None]})",
        "on",
        {"index": 0, "reply": {"answer": {"x": [1, None]}}},
    ),
    Written("on(custom_id='b').fail(429)", "on", {"custom_id": "b", "fail": {"status": 429}}),
    Written(
        "on(custom_id='b', times=1).fail(500)",
        "on",
        {"custom_id": "b", "times": 1, "fail": {"status": 500}},
    ),
    Written("on(contains='hi').fail(0)", "on", {"contains": "hi", "fail": {"status": 0}}),
    Written(
        "on(index=1).fail(code='request_timeout', message='Too slow.')",
        "on",
        {"index": 1, "fail": {"code": "request_timeout", "message": "Too slow."}},
    ),
    Written(
        "on(fraction=0.5).fail(400, message='No.', shape='string')",
        "on",
        {"fraction": 0.5, "fail": {"status": 400, "message": "No.", "shape": "string"}},
    ),
    Written(
        "on(model='m').fail(400, body={'a': 1})",
        "on",
        {"model": "m", "fail": {"status": 400, "body": {"a": 1}}},
    ),
    Written(
        "on(index=2).fail(400, file='output')",
        "on",
        {"index": 2, "fail": {"status": 400, "file": "output"}},
    ),
    Written("on().echo('!')", "on", {"echo": {"then": "!"}}),
    Written(
        "on(index=1).echo('!', repeat=3, fields={'model': 'm'})",
        "on",
        {"index": 1, "echo": {"then": "!", "repeat": 3, "fields": {"model": "m"}}},
    ),
    Written("on(index=0).malformed('length')", "on", {"index": 0, "malformed": {"how": "length"}}),
    Written("on(index=3).hang()", "on", {"index": 3, "hang": {}}),
    Written("on(custom_id='b').drop()", "on", {"custom_id": "b", "drop": {}}),
    Written("on(custom_id='b').duplicate(3)", "on", {"custom_id": "b", "duplicate": {"copies": 3}}),
    Written(
        "on(custom_id='b').duplicate(conflict='error')",
        "on",
        {"custom_id": "b", "duplicate": {"conflict": "error"}},
    ),
    Written(
        "on(custom_id='b').corrupt('no_body')",
        "on",
        {"custom_id": "b", "corrupt": {"how": "no_body"}},
    ),
    Written(
        "on(custom_id='b').change_custom_id('upper')",
        "on",
        {"custom_id": "b", "change_custom_id": {"how": "upper"}},
    ),
    Written(
        "on(custom_id='b').override(fields={'id': 1}, blanks=['response'], without=['error'])",
        "on",
        {
            "custom_id": "b",
            "override": {"fields": {"id": 1}, "blanks": ["response"], "without": ["error"]},
        },
    ),
    Written(
        "on(custom_id=['a', 'b']).fail(409)",
        "on",
        {"custom_id": ["a", "b"], "fail": {"status": 409}},
    ),
    # batches
    Written(
        "on_batch(nth=2, metadata={'job': 'nightly'}).cancel(at='20m')",
        "on_batch",
        {"nth": 2, "metadata": {"job": "nightly"}, "cancel": {"at": "20m"}},
    ),
    Written(
        "on_batch(model='m', contains='hi').result_files(listed=False)",
        "on_batch",
        {"model": "m", "contains": "hi", "result_files": {"listed": False}},
    ),
    Written(
        "on_batch().schedule(validating=0, in_progress='30m', curve=[(0.9, 0.0)])",
        "on_batch",
        {"schedule": {"validating": 0, "in_progress": "30m", "curve": [[0.9, 0.0]]}},
    ),
    Written(
        "on_batch(1).fail('token_limit_exceeded')",
        "on_batch",
        {"nth": 1, "fail": {"code": "token_limit_exceeded"}},
    ),
    Written("on_batch().fail(errors='null')", "on_batch", {"fail": {"errors": "null"}}),
    Written(
        "on_batch().fail('x', 'No.', param='p', line=3)",
        "on_batch",
        {"fail": {"code": "x", "message": "No.", "param": "p", "line": 3}},
    ),
    Written(
        "on_batch(times=2).stall('finalizing')",
        "on_batch",
        {"times": 2, "stall": {"at": "finalizing"}},
    ),
    Written(
        "on_batch().stall('in_progress', progress=0.75, until='expiry')",
        "on_batch",
        {"stall": {"at": "in_progress", "progress": 0.75, "until": "expiry"}},
    ),
    Written("on_batch().expire(0.25)", "on_batch", {"expire": {"finished": 0.25}}),
    Written("on_batch().ignore_window()", "on_batch", {"ignore_window": {}}),
    Written(
        "on_batch().cancel_to('completed')", "on_batch", {"cancel_to": {"status": "completed"}}
    ),
    Written(
        "on_batch().not_found_from('in_progress')",
        "on_batch",
        {"not_found_from": {"status": "in_progress"}},
    ),
    Written("on_batch().miscount('zero')", "on_batch", {"miscount": {"how": "zero"}}),
    Written("on_batch().miscount(late='10m')", "on_batch", {"miscount": {"late": "10m"}}),
    Written(
        "on_batch().override(statuses={'completed': 'DONE'}, without=['metadata'])",
        "on_batch",
        {"override": {"statuses": {"completed": "DONE"}, "without": ["metadata"]}},
    ),
    Written(
        "on_batch().override(unless_null={'output_file_id': 'file-x'}, clock_behind='1h')",
        "on_batch",
        {"override": {"unless_null": {"output_file_id": "file-x"}, "clock_behind": "1h"}},
    ),
    Written(
        "on_batch(endpoint='/v1/chat/completions').result_files(order='reversed', bom=True)",
        "on_batch",
        {"endpoint": "/v1/chat/completions", "result_files": {"order": "reversed", "bom": True}},
    ),
    Written("on_batch().result_files(expire='1h')", "on_batch", {"result_files": {"expire": "1h"}}),
    # files
    Written(
        "on_file().processing('10s', broken=True)",
        "on_file",
        {"processing": {"duration": "10s", "broken": True}},
    ),
    Written("on_file(1).not_found_for(3)", "on_file", {"nth": 1, "not_found_for": {"duration": 3}}),
    Written(
        "on_file(purpose='batch').expire('2h')",
        "on_file",
        {"purpose": "batch", "expire": {"after": "2h"}},
    ),
    Written(
        "on_file(filename='*.jsonl').not_found_for('3s')",
        "on_file",
        {"filename": "*.jsonl", "not_found_for": {"duration": "3s"}},
    ),
    # calls
    Written(
        f"on_call('files.*', id='{FIRST_FILE}', times=2).fail(502)",
        "on_call",
        {"operation": "files.*", "id": FIRST_FILE, "times": 2, "fail": {"status": 502}},
    ),
    Written(
        "on_call('batches.retrieve', nth=3).fail(404)",
        "on_call",
        {"operation": "batches.retrieve", "nth": 3, "fail": {"status": 404}},
    ),
    Written(
        "on_call('batches.*', nth=2, times=math.inf).fail(429, retry_after='30s', http_date=True)",
        "on_call",
        {
            "operation": "batches.*",
            "nth": 2,
            "times": math.inf,
            "fail": {"status": 429, "retry_after": "30s", "http_date": True},
        },
    ),
    Written(
        "on_call('batches.create').fail(409, applied=True)",
        "on_call",
        {"operation": "batches.create", "fail": {"status": 409, "applied": True}},
    ),
    Written(
        "on_call('batches.retrieve', times=1).reply('<html>')",
        "on_call",
        {"operation": "batches.retrieve", "times": 1, "reply": {"body": "<html>"}},
    ),
    Written(
        "on_call('files.content').timeout()",
        "on_call",
        {"operation": "files.content", "timeout": {}},
    ),
    Written(
        "on_call('batches.*', between=('10m', None)).reset()",
        "on_call",
        {"operation": "batches.*", "between": ["10m"], "reset": {}},
    ),
    Written(
        "on_call('batches.list', chance=0.5).disconnect()",
        "on_call",
        {"operation": "batches.list", "chance": 0.5, "disconnect": {}},
    ),
    Written(
        "on_call('files.*', through_retries=True).connect_error('dns')",
        "on_call",
        {"operation": "files.*", "through_retries": True, "connect_error": {"why": "dns"}},
    ),
    Written(
        "on_call('files.create', longer_than=300).fail(413)",
        "on_call",
        {"operation": "files.create", "longer_than": 300, "fail": {"status": 413}},
    ),
    Written(
        "on_call('files.content').truncate(0.5, framing='silent')",
        "on_call",
        {"operation": "files.content", "truncate": {"fraction": 0.5, "framing": "silent"}},
    ),
    Written(
        "on_call('files.content').slow(first_byte='5s', gap=1, pieces=3)",
        "on_call",
        {"operation": "files.content", "slow": {"first_byte": "5s", "gap": 1, "pieces": 3}},
    ),
    Written(
        "on_call('files.content').headers({'x-mine': 'a'})",
        "on_call",
        {"operation": "files.content", "headers": {"headers": {"x-mine": "a"}}},
    ),
    Written(
        "on_call('batches.list').override(fields={'has_more': True}, ignores=['after'])",
        "on_call",
        {
            "operation": "batches.list",
            "override": {"fields": {"has_more": True}, "ignores": ["after"]},
        },
    ),
    Written(
        "on_call('batches.retrieve').rate_limit(2, per='1h')",
        "on_call",
        {"operation": "batches.retrieve", "rate_limit": {"most": 2, "per": "1h"}},
    ),
    # webhooks
    Written(
        "on_webhook().deliver(duplicates=1, scatter='1h')",
        "on_webhook",
        {"deliver": {"duplicates": 1, "scatter": "1h"}},
    ),
]
