"""The briefing on its way: through a real SMTP server and into a (fake) Slack, and never twice."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import SecretStr

from service.briefing.delivery import MailTarget, Target, deliver, mail_targets
from service.briefing.errors import MaybeDelivered, NotDelivered
from service.briefing.model import Briefing
from service.briefing.mornings import Mornings
from service.briefing.schedule import BRIEFING, briefing_handler
from service.settings import Settings, SettingsError
from service.store.database import Database
from service.store.deliveries import DeliveryState
from service.store.jobs import JobState
from service.surfaces.slack.briefing import SlackTarget
from service.testing.certificate import self_signed
from service.worker import Worker
from service.workspace import open_workspace
from tests.service.surfaces.slack.house import CHECKOUT, SEC_RESPONSE, open_house

DAY = dt.date(2026, 11, 12)
WHAT = f"briefing:{DAY}:UTC"


class Inbox:
    """What a mail server took. ``refuses``: recipients that it does not know; ``dies``: whether
    it breaks the connection when a mail was handed over."""

    def __init__(self, refuses: tuple[str, ...] = (), *, dies: bool = False) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self._refuses = refuses
        self._dies = dies

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self._refuses:
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append((envelope.rcpt_tos, parsed))
        if self._dies:
            server.transport.abort()
        return "250 taken"


@contextmanager
def mail_server(inbox: Inbox, **options: Any) -> Iterator[int]:
    """A mail server on a port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port, ready_timeout=30, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def mailing(folder: Path, port: int, *recipients: str, **more: Any) -> Settings:
    return Settings(
        database_file=folder / "why.db",
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_from="why@example.com",
        briefing_emails=recipients or ("ops@example.com",),
        **{"smtp_security": "none", **more},
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    async with await Database.open(settings) as database:
        yield database


async def send(settings: Settings, briefing: Briefing, targets: list[Target] | None = None) -> int:
    async def make(_: tuple[str, ...]) -> Briefing:
        return briefing

    async with opened(settings) as database:
        return await deliver(
            DAY,
            "UTC",
            ("everyone",),
            targets or [*mail_targets(settings)],
            make=make,
            database=database,
        )


async def state(settings: Settings, target: str) -> DeliveryState | None:
    async with opened(settings) as database:
        found = await database.deliveries.get(WHAT, target)
        return None if found is None else found.state


def test_a_mail_arrives_with_text_html_and_charts(tmp_path: Path, bad_night: Briefing) -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        assert asyncio.run(send(mailing(tmp_path, port), bad_night)) == 1
    ((recipients, mail),) = inbox.mails
    assert recipients == ["ops@example.com"]
    assert mail["Subject"].startswith("Thu 12 Nov: Auth, checkout")
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "# Morning briefing, Thursday 12 November 2026" in text.get_content()
    cids = {part["Content-ID"].strip("<>") for part in mail.walk() if part["Content-ID"]}
    assert cids
    assert all(f'src="cid:{cid}"' in html.get_content() for cid in cids)
    assert "http-equiv" not in html.get_content()


def test_a_briefing_is_never_sent_twice(tmp_path: Path, bad_night: Briefing) -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        settings = mailing(tmp_path, port)

        async def several() -> list[int]:
            return await asyncio.gather(*(send(settings, bad_night) for _ in range(4)))

        assert sum(asyncio.run(several())) == 1
        assert asyncio.run(send(settings, bad_night)) == 0
    assert len(inbox.mails) == 1


def test_one_refused_address_keeps_nobody_else_from_it_and_is_tried_again(
    tmp_path: Path, bad_night: Briefing
) -> None:
    inbox = Inbox(refuses=("gone@example.com",))
    with mail_server(inbox) as port:
        settings = mailing(tmp_path, port, "gone@example.com", "ops@example.com")
        for _ in range(2):
            with pytest.raises(NotDelivered, match=r"mailto:gone@example.com.*550 no such user"):
                asyncio.run(send(settings, bad_night))
        assert [recipients for recipients, _ in inbox.mails] == [["ops@example.com"]]
        assert asyncio.run(state(settings, "mailto:gone@example.com")) is DeliveryState.FAILED
        inbox._refuses = ()
        assert asyncio.run(send(settings, bad_night)) == 1
    assert [recipients for recipients, _ in inbox.mails][1:] == [["gone@example.com"]]


def test_a_server_that_is_away_is_tried_again(tmp_path: Path, bad_night: Briefing) -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        pass
    settings = mailing(tmp_path, port)
    with pytest.raises(NotDelivered, match="can't be reached"):
        asyncio.run(send(settings, bad_night))
    assert asyncio.run(state(settings, "mailto:ops@example.com")) is DeliveryState.FAILED


def test_a_mail_that_may_have_arrived_is_not_sent_again(
    tmp_path: Path, bad_night: Briefing
) -> None:
    inbox = Inbox(dies=True)
    with mail_server(inbox) as port:
        settings = mailing(tmp_path, port)
        assert asyncio.run(send(settings, bad_night)) == 0
        assert asyncio.run(state(settings, "mailto:ops@example.com")) is DeliveryState.DOUBTFUL
        assert asyncio.run(send(settings, bad_night)) == 0
    assert len(inbox.mails) == 1


def _only_why(server: Any, session: Any, envelope: Any, mechanism: str, auth: Any) -> AuthResult:
    right = isinstance(auth, LoginPassword) and auth.password == b"right"
    return AuthResult(success=right, handled=False)


def test_a_wrong_password_is_said_and_not_shown(tmp_path: Path, bad_night: Briefing) -> None:
    inbox = Inbox()
    login = {"authenticator": _only_why, "auth_require_tls": False}
    with mail_server(inbox, **login) as port:
        wrong = mailing(tmp_path, port, smtp_user="why", smtp_password=SecretStr("s3cr3t-wrong"))
        with pytest.raises(NotDelivered, match="does not accept smtp_user") as caught:
            asyncio.run(send(wrong, bad_night))
        assert "s3cr3t" not in str(caught.value)
        right = wrong.model_copy(update={"smtp_password": SecretStr("right")})
        assert asyncio.run(send(right, bad_night)) == 1


def test_a_password_does_not_travel_in_clear(tmp_path: Path) -> None:
    settings = mailing(tmp_path, 25, smtp_password=SecretStr("s3cr3t"))
    with pytest.raises(SettingsError, match="in clear"):
        MailTarget(settings.model_copy(update={"smtp_host": "mail.example.com"}), "a@example.com")
    with pytest.raises(SettingsError, match="WHY_SMTP_HOST"):
        mail_targets(settings.model_copy(update={"smtp_host": None}))


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_the_connection_is_encrypted_and_the_certificate_checked(
    tmp_path: Path, bad_night: Briefing, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.file, certificate.key)
    options = (
        {"tls_context": context, "require_starttls": True}
        if security == "starttls"
        else {"ssl_context": context}
    )
    inbox = Inbox()
    with mail_server(inbox, **options) as port:
        settings = mailing(tmp_path, port, smtp_security=security)
        with pytest.raises(NotDelivered, match=r"(?i)certificate"):
            asyncio.run(send(settings, bad_night))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
        assert asyncio.run(send(settings, bad_night)) == 1
    assert len(inbox.mails) == 1


def test_it_is_posted_in_slack_once_within_its_limits(
    company: Settings, tmp_path: Path, bad_night: Briefing
) -> None:
    async def story() -> None:
        async with open_house(company, tmp_path, working=False) as house:
            hosts = frozenset({"wiki.kestrel.example"})
            targets: list[Target] = [SlackTarget(house.surface, CHECKOUT, hosts)]
            settings = mailing(tmp_path, 25)
            assert await send(settings, bad_night, targets) == 1
            assert await send(settings, bad_night, targets) == 0
            posted = house.slack.messages[CHECKOUT]
            assert "Something went wrong" in posted[0]["text"]
            told = str(posted)
            numbers = [n for n in range(1, 40) if f"[{n}]" in told]
            assert numbers  # citations are not cut
            assert house.slack.violations == []

    asyncio.run(story())


def test_slack_that_refuses_is_tried_again_and_a_started_thread_is_not(
    company: Settings, tmp_path: Path, bad_night: Briefing
) -> None:
    async def story() -> None:
        async with open_house(company, tmp_path, working=False) as house:
            target: Target = SlackTarget(house.surface, CHECKOUT, frozenset())
            settings = mailing(tmp_path, 25)
            house.slack.failures["chat.postMessage"] = ["channel_is_archived"]
            with pytest.raises(NotDelivered, match="channel_is_archived"):
                await send(settings, bad_night, [target])
            assert await send(settings, bad_night, [target]) == 1

    asyncio.run(story())


def test_a_channel_gets_no_more_than_its_readers_may_read(
    company: Settings, tmp_path: Path
) -> None:
    async def story() -> None:
        async with open_house(company, tmp_path, working=False) as house:
            everything = ("everyone", "slack:sec-response")
            public = SlackTarget(house.surface, CHECKOUT, frozenset())
            private = SlackTarget(house.surface, SEC_RESPONSE, frozenset())
            assert await public.audience(everything) == ("everyone",)
            assert set(await private.audience(everything)) == set(everything)

    asyncio.run(story())


def test_the_job_of_a_morning_makes_keeps_and_sends_it(company: Settings, tmp_path: Path) -> None:
    inbox = Inbox()

    async def story(settings: Settings) -> None:
        async with opened(settings) as database, open_workspace(settings) as workspace:
            mornings = Mornings(database, workspace.briefer)
            targets: list[Target] = [*mail_targets(settings)]
            handler = briefing_handler(
                settings, database, mornings, targets, clock=workspace.moment
            )
            payload = {"date": str(DAY), "zone": "UTC"}
            job = await database.jobs.enqueue(BRIEFING, payload, key=WHAT)
            assert job is not None
            worker = Worker(database.jobs, {BRIEFING: handler})
            worker.start()
            try:
                async with asyncio.timeout(60):
                    while True:
                        found = await database.jobs.get(job.id)
                        if found is not None and found.state is JobState.DONE:
                            break
                        await asyncio.sleep(0.05)
            finally:
                await worker.stop()
            kept = await mornings.kept(DAY, "UTC", ("everyone",))
            assert kept is not None
            assert kept.incidents
            assert kept.compared.date == DAY - dt.timedelta(days=1)

    with mail_server(inbox) as port:
        changed = mailing(tmp_path, port).model_dump(
            include={"database_file", "smtp_host", "smtp_port", "smtp_security", "briefing_emails"}
        )
        asyncio.run(story(company.model_copy(update=changed)))
    assert len(inbox.mails) == 1


def test_what_was_handed_over_in_part_is_doubtful(bad_night: Briefing) -> None:
    class Halfway:
        posts = 0

        async def audience_of(self, channel: str, audience: tuple[str, ...]) -> tuple[str, ...]:
            return audience

        async def post(self, channel: str, message: object) -> None:
            from service.surfaces.slack.errors import SlackRefused

            self.posts += 1
            if self.posts == 2:
                raise SlackRefused("chat.postMessage", "channel_is_archived")

    async def post() -> None:
        await SlackTarget(Halfway(), "C1", frozenset()).rendered(bad_night)()

    with pytest.raises(MaybeDelivered):
        asyncio.run(post())
