"""In front of the network: respx routes on both HTTP stacks, and transports of our own."""

from fakebatch.interception.clients import Clients
from fakebatch.interception.dns import unresolvable
from fakebatch.interception.environment import DUMMY_KEY, WEBHOOKS, dummy_environment
from fakebatch.interception.lost_errors import LostErrors
from fakebatch.interception.mockers import installed, is_loopback
from fakebatch.interception.router import EmulatedRouter
from fakebatch.interception.tls import shared_tls_context

__all__ = [
    "DUMMY_KEY",
    "WEBHOOKS",
    "Clients",
    "EmulatedRouter",
    "LostErrors",
    "dummy_environment",
    "installed",
    "is_loopback",
    "shared_tls_context",
    "unresolvable",
]
