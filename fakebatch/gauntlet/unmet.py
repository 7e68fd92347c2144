"""Whether a client met the incident of its case: without that, a pass would prove nothing."""

from __future__ import annotations

from fakebatch.gauntlet.case import Case
from fakebatch.gauntlet.record import Record
from fakebatch.gauntlet.words import number
from fakebatch.rules.calls import CallRule
from fakebatch.rules.files import FileRule
from fakebatch.rules.scenario import AnyRule
from fakebatch.rules.webhooks import WebhookRule


def unmet(case: Case, record: Record) -> str:
    """Why an incident did not happen to a client, as a sentence; empty: it did.

    It did if one of its rules was used. One without rules lies in the requests, which every client
    gets, or else in what becomes of an upload.
    """
    if record.kills_left:
        name = record.kills_left[0]
        how = "no call of {} succeeded" if record.calls_of(name) else "it never called {}"
        return f"The client was not killed: {how.format(name)}."
    if not record.rules:
        conditions = case.incident.gauntlet
        is_input = conditions.requests or conditions.prompts
        uploads = record.calls_of("files.create") + record.calls_of("uploads.create")
        return "" if is_input or uploads else "The client uploaded no file."
    reasons = [_unused(rule, hits, record) for rule, hits in record.rules]
    return reasons[0] if all(reasons) else ""


def _unused(rule: AnyRule, hits: int, record: Record) -> str:
    """Why a rule was not used; empty: it was, or need not be."""
    match rule:
        case WebhookRule():
            why = "No webhook was delivered: the client registered no endpoint."
        case FileRule():
            why = "The client uploaded no file for a batch."
        case CallRule():
            calls = record.calls_of(rule.operation)
            if not calls:
                why = f"The client never called {rule.operation}."
            elif rule.longer_than is not None:
                why = ""  # a client that stays below a limit does what is asked of it
            elif rule.nth:
                made = f"The client called {rule.operation} {number(calls, 'time')}"
                why = f"{made}; the incident begins with call {rule.nth}."
            else:
                why = f"No call of the client matched {rule}."
        case _ if record.batches:
            why = f"No batch of the client matched {rule}."
        case _:  # direct calls use the rules for lines, too
            return "The client created no batch."
    return "" if hits else why
