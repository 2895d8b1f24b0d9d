"""The briefing in each of its formats: complete, harmless, and never mistaken for another night."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email import policy
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt

from service.briefing.errors import BriefingError
from service.briefing.html import to_html
from service.briefing.layout import page_of
from service.briefing.mail import to_mail
from service.briefing.markdown import to_markdown
from service.briefing.model import Briefing, Link
from service.briefing.page import opened
from service.reports.model import Claim, PassageCitation
from service.surfaces.slack.briefing import briefing_messages
from service.testing.slack_limits import message_problems

HOSTS = frozenset({"wiki.kestrel.example"})
HOSTILE = "<script>alert(1)</script> ![x](https://evil.example/p.png) <!channel> `tick`"


def slack_json(briefing: Briefing) -> str:
    posts = briefing_messages(briefing, HOSTS)
    return json.dumps([{"text": p.text, "blocks": p.blocks} for p in posts], ensure_ascii=False)


def mail_text(briefing: Briefing) -> str:
    body = to_mail(briefing, sender="a@example.com", recipient="b@example.com").get_body(("html",))
    assert body is not None
    return str(body.get_content())


FORMATS: dict[str, Callable[[Briefing], str]] = {
    "md": to_markdown,
    "html": to_html,
    "slack": slack_json,
    "email": mail_text,
}


@pytest.mark.parametrize("form", FORMATS)
def test_quiet_unseen_and_bad_nights_look_different(
    form: str, bad_night: Briefing, quiet_night: Briefing, unseen_night: Briefing
) -> None:
    bad, quiet, unseen = (FORMATS[form](b) for b in (bad_night, quiet_night, unseen_night))
    assert "Something went wrong" in bad
    assert "A quiet night" in quiet
    assert "could not be seen" in unseen
    for other in (bad, unseen):
        assert "quiet night:" not in other
    for other in (quiet, unseen):
        assert "Something went wrong" not in other
    assert "no source is configured" in unseen
    assert "Nothing is known to be missing" in quiet


def test_they_have_different_colours(
    bad_night: Briefing, quiet_night: Briefing, unseen_night: Briefing
) -> None:
    tones = {page_of(b).tone for b in (bad_night, quiet_night, unseen_night)}
    assert len(tones) == 3


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_tells_the_whole_incident(form: str, bad_night: Briefing) -> None:
    text = FORMATS[form](bad_night)
    cause = bad_night.incidents[0].cause
    assert cause is not None
    for told in (
        f"{cause.confidence:.0%} likely",
        "session-cache (eu-west)",
        "5 min",
        "1 h 34 min",
        "Second time in 30 days",
        "failover to replica by mira",
        "Aurelia Labs",
        "To watch today",
        "Changed since the briefing",
        "What I could not see",
        "coming back",
        "Also seen",
    ):
        assert told in text, told


def test_each_number_in_the_text_is_a_source_and_each_source_is_used(bad_night: Briefing) -> None:
    body, _, sources = to_markdown(bad_night).partition("## Sources")
    cited = {int(number) for number in re.findall(r"\[(\d+)\]", body)}
    listed = {int(number) for number in re.findall(r"^- \[(\d+)\]", sources, re.MULTILINE)}
    assert cited == listed


class _Names(HTMLParser):
    """Which elements and which addresses a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loaded: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        if src := values.get("src"):
            self.loaded.append(src)
        if (href := values.get("href")) and tag == "a":
            self.links.append(href)


def names_in(html: str) -> _Names:
    parser = _Names()
    parser.feed(html)
    return parser


def hostile(briefing: Briefing) -> Briefing:
    """With what somebody may write into a wiki or a chat."""
    incident = briefing.incidents[0]
    bad = Claim(text=f"Mira: “{HOSTILE}”", citations=(1,))
    worse = incident.model_copy(
        update={
            "title": HOSTILE,
            "done": (bad,),
            "links": (
                Link(title="click", url="javascript:alert(1)"),
                Link(title="here](https://evil.example) [", url="https://wiki.kestrel.example/a)b"),
            ),
        }
    )
    passages = [
        c.model_copy(update={"url": "javascript:alert(2)", "title": HOSTILE})
        if isinstance(c, PassageCitation)
        else c
        for c in briefing.citations
    ]
    headline = Claim(text=f"{HOSTILE}\r\nBcc: everyone@example.com", citations=(1,))
    return briefing.model_copy(
        update={
            "headline": headline,
            "incidents": (worse, *briefing.incidents[1:]),
            "citations": tuple(passages),
            "not_seen": (HOSTILE,),
        }
    )


@pytest.mark.parametrize("form", ["html", "email"])
def test_text_from_documents_does_nothing_in_html(form: str, bad_night: Briefing) -> None:
    page = names_in(FORMATS[form](hostile(bad_night)))
    assert "script" not in page.tags
    assert not any(link.startswith("javascript:") for link in page.links)
    assert all(src.startswith(("data:image/svg+xml;base64,", "cid:")) for src in page.loaded)


def test_text_from_documents_does_nothing_in_markdown_and_slack(bad_night: Briefing) -> None:
    markdown = to_markdown(hostile(bad_night))
    page = names_in(MarkdownIt("commonmark").render(markdown))
    assert "script" not in page.tags
    assert page.loaded == []
    assert {urlsplit(link).hostname for link in page.links} == {"wiki.kestrel.example"}
    posts = briefing_messages(hostile(bad_night), HOSTS)
    for post in posts:
        assert message_problems({"text": post.text, "blocks": [*post.blocks]}) == []
        assert "<!channel>" not in str(post.blocks)


def test_a_briefing_of_many_incidents_stays_within_slacks_limits(bad_night: Briefing) -> None:
    many = bad_night.model_copy(update={"incidents": bad_night.incidents * 12})
    posts = briefing_messages(many, HOSTS)
    assert len(posts) > 2
    for post in posts:
        assert message_problems({"text": post.text, "blocks": [*post.blocks]}) == []


def test_a_headline_cannot_add_a_header_to_the_mail(bad_night: Briefing) -> None:
    mail = to_mail(hostile(bad_night), sender="a@example.com", recipient="b@example.com")
    assert mail["Bcc"] is None
    head = mail.as_bytes(policy=policy.SMTP).partition(b"\r\n\r\n")[0]
    assert not re.search(rb"^Bcc:", head, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize("address", ["nobody", "a@example.com\r\nBcc: b@example.com", "", "a@b@c"])
def test_an_address_that_is_none_is_refused(bad_night: Briefing, address: str) -> None:
    with pytest.raises(BriefingError, match="briefing_emails"):
        to_mail(bad_night, sender="why@example.com", recipient=address)


def test_the_style_is_in_the_elements_and_dark_is_left_to_the_client(bad_night: Briefing) -> None:
    html = mail_text(bad_night)
    assert re.search(r'<h1 style="[^"]*font-size: ?22px', html)
    assert "prefers-color-scheme" in html
    assert len(html.encode()) < 102_000  # beyond that Gmail hides the rest


def test_links_are_addresses_of_pages_only() -> None:
    assert opened("https://wiki.kestrel.example/a") == "https://wiki.kestrel.example/a"
    for other in ("javascript:alert(1)", "file:///etc/passwd", "//evil.example", "https://[", None):
        assert opened(other) is None


def test_the_json_is_read_back_as_it_was(bad_night: Briefing) -> None:
    assert Briefing.model_validate_json(bad_night.model_dump_json()) == bad_night


@pytest.mark.slow
def test_the_pdf_has_the_whole_text(bad_night: Briefing) -> None:
    pypdf = pytest.importorskip("pypdf")
    from io import BytesIO

    from service.briefing.errors import CannotDraw
    from service.briefing.pdf import to_pdf

    try:
        content = to_pdf(bad_night)
    except CannotDraw as error:
        pytest.skip(str(error))
    pages = pypdf.PdfReader(BytesIO(content)).pages
    text = " ".join(" ".join(page.extract_text().split()) for page in pages)
    assert "Something went wrong" in text.title() or "SOMETHING WENT WRONG" in text
    assert "What I could not see" in text
    assert 2 <= len(pages) <= 10


def test_a_pdf_without_pango_says_what_to_install(
    bad_night: Briefing, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from service.briefing.errors import CannotDraw
    from service.briefing.pdf import to_pdf

    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(CannotDraw, match=r"\[pdf\].*libpango"):
        to_pdf(bad_night)
