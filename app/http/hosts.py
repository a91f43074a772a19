"""Under which names the viewer may be asked for, and which pages may frame it.

A page of another site can have its own name resolve to this machine (DNS rebinding) and would then
be of the same origin; the name it asks for tells. Addresses cannot be rebound.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

SPACE_ANCESTORS = ("https://huggingface.co", "https://*.huggingface.co", "https://*.hf.space")
LOCAL = ("localhost", "127.0.0.1", "::1")


class Hosts:
    """names: with `--allow-host` and a Space's own; host: that the viewer listens on."""

    def __init__(self, host: str, names: Iterable[str] = ()) -> None:
        self._names = {name.lower() for name in (*LOCAL, host, *names)}
        self._open = host not in LOCAL
        if self._open:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def allows(self, header: str) -> bool:
        """Whether a request may name this host (with or without a port)."""
        name = host_name(header)
        return name in self._names or (self._open and _is_address(name))


def host_name(header: str) -> str:
    """The name or address in a Host header, lower case, without port and brackets."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def content_security_policy(ancestors: Iterable[str]) -> str:
    """Nothing but our own files, no script in the page itself, and who may frame it."""
    framing = " ".join(["'self'", *ancestors])
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {framing}",
        )
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
