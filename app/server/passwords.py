"""Names of users, and what is stored of their passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from core.errors import InputError

_USER = re.compile(r"[^\s:#][^\s:]{0,63}")
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 1 << 14, 8, 1
_FORM = re.compile(r"scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]{8,64})\$([A-Za-z0-9+/=]{40,100})")
_SHORTEST = 8


def hashed(password: str) -> str:
    """What is stored of a password: scrypt with a salt of its own. InputError for one that is too short."""
    if len(password) < _SHORTEST:
        raise InputError(f"password: expected at least {_SHORTEST} characters, got {len(password)}")
    salt = secrets.token_bytes(16)
    key = _scrypt(password, salt, _SCRYPT_N, _SCRYPT_R, _SCRYPT_P)
    coded = (base64.b64encode(part).decode() for part in (salt, key))
    return "$".join(("scrypt", str(_SCRYPT_N), str(_SCRYPT_R), str(_SCRYPT_P), *coded))


def matches(password: str, stored: str) -> bool:
    """Whether ``stored`` was made from ``password``; takes as long either way."""
    found = _FORM.fullmatch(stored)
    if found is None:
        return False
    n, r, p = (int(found[i]) for i in (1, 2, 3))
    key = _scrypt(password, base64.b64decode(found[4]), n, r, p)
    return hmac.compare_digest(key, base64.b64decode(found[5]))


def is_hashed(stored: str) -> bool:
    """Whether a stored password is a hash."""
    return _FORM.fullmatch(stored) is not None


def is_user(name: str) -> bool:
    """Whether a user can be called so."""
    return _USER.fullmatch(name) is not None


def check_user(name: str) -> str:
    """``name`` if a user can be called so; InputError."""
    if not is_user(name):
        raise InputError(f"user {name[:80]!r}: expected 1 to 64 characters without spaces, colons and # at the start")
    return name


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=32, maxmem=256 * n * r + (1 << 20))
