"""In front of the network: respx routes on both HTTP stacks, transports of our own, shut doors."""

from fakebatch.interception.clients import ready_client
from fakebatch.interception.doors import doors, is_loopback
from fakebatch.interception.environment import DUMMY_KEY, dummy_environment
from fakebatch.interception.names import unresolvable
from fakebatch.interception.router import EmulatedRouter
from fakebatch.interception.transports import transport

__all__ = [
    "DUMMY_KEY",
    "EmulatedRouter",
    "doors",
    "dummy_environment",
    "is_loopback",
    "ready_client",
    "transport",
    "unresolvable",
]
