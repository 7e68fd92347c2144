"""What a command that is run beside a server of ours gets: its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def environment(variables: Mapping[str, str], url: str) -> dict[str, str]:
    """Ours with some variables more; where a proxy is set, without it for the server.

    Clients would ask the proxy for 127.0.0.1. Some read these variables in capitals, some in small
    letters, and some in both.

    Args:
        variables: what the client needs to find the server.
        url: of the server.
    """
    env = {**os.environ, **variables}
    if any(env.get(name) or env.get(name.upper()) for name in _PROXIES):
        direct = env.get("no_proxy") or env.get("NO_PROXY")
        hosts = ",".join(filter(None, [direct, urlsplit(url).hostname]))
        env |= {"no_proxy": hosts, "NO_PROXY": hosts}
    return env
