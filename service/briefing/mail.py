"""Briefing → a mail: plain text, HTML with its style in every element, charts as images in it.

``multipart/alternative`` of text and ``multipart/related`` (RFC 2046, RFC 2387), so that a client
that shows no HTML has the whole briefing as text, and one that loads nothing from elsewhere has the
charts. Text from documents reaches two headers (subject, and nothing else) and loses line breaks
there; ``email.message.EmailMessage`` refuses what is left of them.
"""

from __future__ import annotations

import hashlib
from datetime import UTC
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from zoneinfo import ZoneInfo

from service.briefing.charts import as_png
from service.briefing.errors import BriefingError
from service.briefing.html import images_of, rendered
from service.briefing.layout import page_of
from service.briefing.markdown import to_markdown
from service.briefing.model import Briefing
from service.briefing.page import Drawn

_SUBJECT = 180
"""Characters of a subject, at most: mail clients show fewer."""
_WEEK = "%a %d %b"


def to_mail(briefing: Briefing, *, sender: str, recipient: str) -> EmailMessage:
    """The mail of a briefing to one recipient; its Message-ID is that of the morning and the
    recipient, so that a mail client can tell a second copy.

    Raises: BriefingError for an address that is none.
    """
    zone = ZoneInfo(briefing.zone)
    page = page_of(briefing)
    charts: dict[str, bytes] = {}

    def attached(drawn: Drawn) -> str:
        name = f"chart-{len(charts) + 1}@why"
        charts[name] = as_png(drawn, zone)
        return f"cid:{name}"

    message = EmailMessage()
    subject = f"{briefing.date:{_WEEK}}: {page.headline.text}"
    message["Subject"] = " ".join(subject.split())[:_SUBJECT]
    message["From"] = _address(sender, "smtp_from")
    message["To"] = _address(recipient, "briefing_emails")
    message["Date"] = format_datetime(briefing.asked_at.astimezone(UTC))
    message["Message-ID"] = f"<{_identity(briefing, recipient)}@why.briefing>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation reply to this
    message.set_content(to_markdown(briefing))
    html = _inlined(rendered(page, images_of(page, attached)))
    message.add_alternative(html, subtype="html")
    related = message.get_payload()[1]  # type: ignore[index]
    assert isinstance(related, EmailMessage)  # noqa: S101 - the alternative just added
    for name, image in charts.items():
        related.add_related(
            image,
            maintype="image",
            subtype="png",
            cid=f"<{name}>",
            disposition="inline",
            filename=f"{name.partition('@')[0]}.png",
        )
    return message


def _inlined(html: str) -> str:
    """With the style in the elements, as many mail clients read nothing else; what depends on the
    reader's screen stays in the style element."""
    import css_inline

    return css_inline.inline(
        html, keep_style_tags=True, keep_at_rules=True, load_remote_stylesheets=False
    )


def _address(text: str, setting: str) -> Address:
    try:
        return Address(addr_spec=text)
    except (HeaderParseError, ValueError, IndexError) as error:
        raise BriefingError(f"{setting}: {text!r} is no e-mail address") from error


def _identity(briefing: Briefing, recipient: str) -> str:
    parts = (str(briefing.date), briefing.zone, *briefing.audience, recipient)
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()
