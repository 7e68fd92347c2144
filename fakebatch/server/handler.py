"""Answers every request that a server gets: those of the control plane, and those of the worlds."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Collection
from dataclasses import dataclass
from hmac import compare_digest
from ipaddress import ip_address
from urllib.parse import urlsplit

from fakebatch.server import control
from fakebatch.server.worlds import Worlds, error_reply, no_world
from fakebatch.wire.messages import Reply, Request


def is_address(host: str, *, loopback: bool = False) -> bool:
    """Whether a host is an IP address, or localhost; with `loopback` only one of this machine."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback or not loopback


@dataclass(frozen=True, slots=True)
class Handler:
    """Answers requests; it is what a Server calls."""

    worlds: Worlds
    token: str | None = None
    """What requests of the control plane have to carry; None: nothing."""
    allowed_hosts: Collection[str] = ()
    """The names, beside addresses and localhost, under which the control plane answers."""
    has_control: bool = True
    """Whether there is a control plane."""

    def __call__(self, request: Request) -> Reply:
        """The reply to a request.

        Raises:
            OSError: the body of the request cannot be read.
        """
        try:
            world, name = self.worlds.find(request.path)
            prefix = f"/w/{name}" if name else ""
            if self.has_control and request.path.startswith(prefix + control.PREFIX):
                return self._refused(request) or control.handle(self.worlds, request)
            return no_world(name) if world is None else world.handle(request)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001  # a bug of ours must not end the connection
            traceback.print_exc(file=sys.stderr)
            message = (
                f"fakebatch: {request.method} {request.path} failed: {error!r}\n"
                "This is a bug of fakebatch; the server printed the traceback.\n"
                "Please report it: https://github.com/fakebatch/fakebatch/issues."
            )
            return error_reply(500, message, "internal_error")

    def _refused(self, request: Request) -> Reply | None:
        """The reply to a request that the control plane must not carry out."""
        headers = request.headers
        for name in (request.host.lower(), urlsplit(headers.get("origin", "")).hostname or ""):
            # a page on the web whose name leads to this machine has that name here
            if name and not is_address(name) and name not in self.allowed_hosts:
                message = (
                    f"fakebatch: The control plane does not answer under the name {name!r}.\n"
                    "It answers under IP addresses, localhost, and the names that are allowed.\n"
                    f"Start the server with --allow-host {name}."
                )
                return error_reply(403, message, "wrong_host")
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        sent = headers.get("x-fakebatch-token", sent if scheme.lower() == "bearer" else "")
        if self.token is None or compare_digest(sent.encode(), self.token.encode()):
            return None
        message = (
            "fakebatch: The control plane needs the token of this server.\n"
            "The server printed it at its start; it listens on more than this machine.\n"
            "Send it as x-fakebatch-token, or as Authorization: Bearer."
        )
        return error_reply(401, message, "wrong_token")
