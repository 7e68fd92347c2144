"""The providers of this API, as data. No other package knows their names."""

from fakebatch.dialects.dialect import Dialect, Fact, Limits, Listing, Shapes, Window, canonical
from fakebatch.dialects.errors import APIError, ErrorCode, ErrorKind, ErrorTemplate
from fakebatch.dialects.loading import DIALECTS, DialectName, at_host, choose
from fakebatch.dialects.template import render

OPENAI = DIALECTS["openai"]

__all__ = [
    "DIALECTS",
    "OPENAI",
    "APIError",
    "Dialect",
    "DialectName",
    "ErrorCode",
    "ErrorKind",
    "ErrorTemplate",
    "Fact",
    "Limits",
    "Listing",
    "Shapes",
    "Window",
    "at_host",
    "canonical",
    "choose",
    "render",
]
