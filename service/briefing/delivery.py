"""Send a briefing where it belongs, and never twice.

Each target has its delivery of its own in ``db.deliveries``, so that a mail server that is down
keeps nobody else from getting theirs, and a second try sends only what is missing. Everything is
rendered before a delivery begins; after that, what certainly did not arrive may be tried again,
and what may have arrived never is.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Protocol

from ingest.redaction import without_known
from service.briefing.errors import BriefingError, MaybeDelivered, NotDelivered
from service.briefing.mail import to_mail
from service.briefing.model import Briefing
from service.settings import Settings, SettingsError
from service.store.database import Database
from service.store.deliveries import DeliveryState

Send = Callable[[], Awaitable[None]]
Make = Callable[[tuple[str, ...]], Awaitable[Briefing]]
"""The briefing of the morning for an audience."""

_SECONDS = 30.0
"""That one exchange with a mail server may take."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Target(Protocol):
    """Somebody who gets the briefing."""

    @property
    def address(self) -> str:
        """What the delivery is kept under, e.g. ``mailto:ops@example.com``."""
        ...

    async def audience(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Which of these labels a briefing may be made for that is shown there."""
        ...

    def rendered(self, briefing: Briefing) -> Send:
        """What sends it, once; called in a thread, because drawing takes its time. What it returns
        raises: NotDelivered, MaybeDelivered."""
        ...


async def deliver(
    day: date,
    zone: str,
    audience: tuple[str, ...],
    targets: Sequence[Target],
    *,
    make: Make,
    database: Database,
) -> int:
    """Send the briefing of that morning to every target that has not got it; returns to how many.

    Raises: NotDelivered, after all were tried, naming those that can be tried again; StoreError.
    """
    what = f"briefing:{day}:{zone}"
    made: dict[tuple[str, ...], Briefing] = {}
    failures: list[str] = []
    sent = 0
    for target in targets:
        earlier = await database.deliveries.get(what, target.address)
        if earlier is not None and earlier.state is not DeliveryState.FAILED:
            continue
        try:
            labels = await target.audience(audience)
            if labels not in made:
                made[labels] = await make(labels)
            send = await asyncio.to_thread(target.rendered, made[labels])
        except BriefingError as error:
            failures.append(f"{target.address}: {error}")
            continue
        if not await database.deliveries.begin(what, target.address):
            continue
        try:
            await send()
        except NotDelivered as error:
            await database.deliveries.failed(what, target.address, str(error))
            failures.append(f"{target.address}: {error}")
        except MaybeDelivered as error:
            await database.deliveries.doubtful(what, target.address, str(error))
        else:
            await database.deliveries.finished(what, target.address)
            sent += 1
    if failures:
        raise NotDelivered("; ".join(failures))
    return sent


class MailTarget:
    """One address, through the mail server that the settings name."""

    def __init__(self, settings: Settings, recipient: str) -> None:
        """Raises: SettingsError, where no server is named or a password would go in clear."""
        if settings.smtp_host is None:
            raise SettingsError("briefing_emails: name the mail server, too (WHY_SMTP_HOST)")
        in_clear = settings.smtp_security == "none" and settings.smtp_host not in _LOOPBACK
        if in_clear and settings.smtp_password is not None:
            raise SettingsError(
                "smtp_security: `none` would send smtp_password in clear; use starttls or tls"
            )
        self._settings = settings
        self._recipient = recipient

    @property
    def address(self) -> str:
        return f"mailto:{self._recipient}"

    async def audience(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        return labels

    def rendered(self, briefing: Briefing) -> Send:
        message = to_mail(briefing, sender=self._settings.smtp_from, recipient=self._recipient)
        content = message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
        return lambda: self._send(content)

    async def _send(self, content: bytes) -> None:
        import aiosmtplib

        settings = self._settings
        password = settings.smtp_password
        server = f"the mail server {settings.smtp_host}:{settings.smtp_port}"
        handed_over = False
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user,
            password=password.get_secret_value() if password else None,
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            timeout=_SECONDS,
        )
        try:
            async with client:
                await client.mail(settings.smtp_from)
                await client.rcpt(self._recipient)
                handed_over = True
                await client.data(content)
                handed_over = False
        except aiosmtplib.SMTPAuthenticationError as error:
            raise NotDelivered(
                f"{server} does not accept smtp_user and smtp_password ({error.code})"
            ) from None
        except aiosmtplib.SMTPResponseException as error:
            said = without_known(error.message, [password.get_secret_value() if password else ""])
            raise NotDelivered(f"{server} refused: {error.code} {said}") from None
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            if handed_over:
                raise MaybeDelivered(f"{server} went away while it took the mail") from None
            raise NotDelivered(f"{server} can't be reached: {error}") from None


def mail_targets(settings: Settings) -> list[MailTarget]:
    """A target for each of ``briefing_emails``. Raises: SettingsError."""
    return [MailTarget(settings, recipient) for recipient in settings.briefing_emails]
