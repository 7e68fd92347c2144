"""In front of the network: respx routes on both HTTP stacks, and the doors that stay shut."""

from fakebatch.interception.doors import doors, is_loopback
from fakebatch.interception.environment import dummy_environment
from fakebatch.interception.names import unresolvable
from fakebatch.interception.router import EmulatedRouter

__all__ = ["EmulatedRouter", "doors", "dummy_environment", "is_loopback", "unresolvable"]
