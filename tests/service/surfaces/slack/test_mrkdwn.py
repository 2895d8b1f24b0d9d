"""Any text, however long and hostile, becomes blocks that Slack takes, with nothing lost."""

from __future__ import annotations

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from service.surfaces.slack.mrkdwn import (
    MESSAGE,
    SECTION,
    cited,
    context,
    header,
    linked,
    messages,
    plain,
    safe_url,
    sections,
)
from service.testing.slack_limits import message_problems
from tests.service.surfaces.slack.house import texts

HOSTS = frozenset(("wiki.kestrel.example",))
HOSTILE = (
    "<!channel>",
    "<@U05A1MKOF01>",
    "<!subteam^S012AB3CD>",
    "<https://evil.example|click>",
    "&amp;",
    "&",
    "`",
    "```",
    "*",
    "_",
    "> ",
    "\n",
    "\u202e",
    "\u200b",
    "http://wiki.kestrel.example/x",
    "[7]",
)
text = st.one_of(
    st.text(max_size=300),
    st.lists(st.sampled_from(HOSTILE) | st.text(max_size=20), max_size=40).map("".join),
    st.integers(1, 9000).map(lambda length: "&" * length),
    st.integers(1, 9000).map(lambda length: ("x" * 40 + " ") * (length // 41)),
    st.integers(150, 4000).map(lambda length: f"`{'y' * length}`"),
)
claim = st.tuples(text, st.lists(st.integers(1, 999), max_size=300))


@given(st.lists(claim, max_size=12))
def test_claims_fit_slacks_limits_and_keep_every_word_and_citation(
    claims: list[tuple[str, list[int]]],
) -> None:
    lines = [cited(said, numbers, lead="• ") for said, numbers in claims]
    posts = messages("headline", [header("Why?"), *sections(lines)])
    for post in posts:
        body = {"text": post.text, "blocks": [*post.blocks]}
        assert message_problems(body) == []
    shown = "\n".join(texts({"blocks": [*post.blocks]}) for post in posts)
    # What a person reads, without the spaces where lines are broken, and code's backticks.
    read = _squeezed(html.unescape(shown))
    for said, numbers in claims:
        wanted = _squeezed(plain(said)) + "".join(f"[{number}]" for number in numbers)
        assert wanted in read
    for _, numbers in claims:
        for number in numbers:
            assert f"[{number}]" in shown
    # No control sequence of anybody's: what looks like one is only text.
    assert not re.search(r"<[!@#]", shown)


@given(text, st.sampled_from(("wiki.kestrel.example", "evil.example")), st.text(max_size=400))
def test_links_lead_only_to_known_hosts_and_their_titles_stay(
    title: str, host: str, path: str
) -> None:
    line = linked(title, f"https://{host}/{path}", HOSTS)
    posts = messages("x", [*sections([line]), *context([line])])
    for post in posts:
        assert message_problems({"text": "x", "blocks": [*post.blocks]}) == []
    shown = "\n".join(texts({"blocks": [*post.blocks]}) for post in posts)
    assert "<https://evil.example" not in shown
    visible = re.sub(r"<https://[^|>]*\|([^>]*)>", r"\1", shown)
    assert _squeezed(plain(title)) in _squeezed(html.unescape(visible))


def test_a_link_needs_http_a_known_host_and_no_credentials() -> None:
    known = "https://wiki.kestrel.example/a b|c>d"
    assert safe_url(known, HOSTS) == "https://wiki.kestrel.example/a%20b%7Cc%3Ed"
    for address in (
        "javascript:alert(1)",
        "https://evil.example/",
        "https://wiki.kestrel.example@evil.example/",
        "https://me:secret@wiki.kestrel.example/",
        "https://wiki.kestrel.example.evil.example/",
        "//wiki.kestrel.example/",
        "https://[broken/",
    ):
        assert safe_url(address, HOSTS) is None, address


def test_a_long_report_is_split_between_sections_and_messages_not_cut() -> None:
    lines = [cited("word " * 400, (number,), lead="• ") for number in range(1, 61)]
    posts = messages("Long", sections(lines))
    assert len(posts) > 5
    for post in posts:
        assert len(str(post.blocks)) < MESSAGE * 1.2
        for block in post.blocks:
            assert len(texts({"blocks": [block]})) <= SECTION
    shown = "".join(texts({"blocks": [*post.blocks]}) for post in posts)
    assert shown.count("word") == 60 * 400
    assert re.findall(r"\[(\d+)\]", shown) == [str(number) for number in range(1, 61)]


def _squeezed(said: str) -> str:
    return re.sub(r"[\s`']+", "", said)
