"""In front of the network: respx routes on both HTTP stacks, transports of our own, shut doors."""

from fakebatch.interception.clients import Clients
from fakebatch.interception.doors import doors, is_loopback
from fakebatch.interception.environment import DUMMY_KEY, WEBHOOKS, dummy_environment
from fakebatch.interception.names import unresolvable
from fakebatch.interception.router import EmulatedRouter
from fakebatch.interception.tls import shared_tls_context

__all__ = [
    "DUMMY_KEY",
    "WEBHOOKS",
    "Clients",
    "EmulatedRouter",
    "doors",
    "dummy_environment",
    "is_loopback",
    "shared_tls_context",
    "unresolvable",
]
