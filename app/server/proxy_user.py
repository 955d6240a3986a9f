"""The user that a reverse proxy names in a header, believed from the proxy's own address alone."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.server.passwords import is_user
from core.errors import InputError

LOCAL_PROXY = ("127.0.0.1", "::1")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")


@dataclass
class UserHeader:
    """``name`` is the header's name, "" where no proxy is asked; ``addresses`` are the proxy's, or networks."""

    name: str = ""
    addresses: tuple[str, ...] = LOCAL_PROXY

    def checked(self) -> UserHeader:
        """This one if it can be used; InputError says what is wrong with the name or an address."""
        if self.name and not _HEADER.fullmatch(self.name):
            raise InputError(f"--user-header {self.name[:80]!r}: expected a header's name such as X-Remote-User")
        for address in self.addresses:
            try:
                ipaddress.ip_network(address)
            except ValueError:
                raise InputError(
                    f"--trust-proxy {address[:80]!r}: expected an address such as 10.0.0.5, or a network 10.0.0.0/24"
                ) from None
        return self

    def user_of(self, headers: Mapping[str, str], address: str) -> str:
        """Who sends a request from ``address``; "" where the proxy does not say, or it is not the proxy that says."""
        if not self.name:
            return ""
        user = headers.get(self.name.lower(), "")
        return user if is_user(user) and self._trusts(address) else ""

    def _trusts(self, address: str) -> bool:
        try:
            host = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(host in ipaddress.ip_network(network) for network in self.addresses)


user_header = UserHeader()
"""That of this server."""
