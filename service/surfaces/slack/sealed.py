"""A secret on its way through the database: sealed, so that only this app's servers can read it.

A ``response_url`` lets whoever has it post in somebody's name for half an hour, and the job that
needs it may be run by another process. It is sealed with Fernet (AES and HMAC, of the
``cryptography`` package) under a key that is derived from the bot token, which all servers of one
app share; after half an hour the seal says nothing any more, as Slack does.
"""

from __future__ import annotations

import base64
import hashlib

LIFETIME = 1_800
"""Seconds; Slack takes a ``response_url`` for 30 minutes ("Handling user interaction")."""


class Seal:
    """Seals and opens, for one app. ``token``: its bot token."""

    def __init__(self, token: str) -> None:
        from cryptography.fernet import Fernet

        digest = hashlib.blake2b(token.encode(), digest_size=32, person=b"why-slack-seal")
        self._fernet = Fernet(base64.urlsafe_b64encode(digest.digest()))

    def close(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """The secret; None where it is older than ``LIFETIME``, or sealed by another app."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(sealed.encode(), ttl=LIFETIME).decode()
        except InvalidToken:
            return None
