"""Slack's mrkdwn: text from anywhere made harmless, and lines packed into blocks that Slack takes.

Everything that is shown comes from documents, metrics, people or a model, so it is data. Slack
parses ``<…>`` (links, mentions, ``<!channel>``), which escaping ``&``, ``<`` and ``>`` takes away
("Formatting message text"); bare addresses, ``@here`` and ``#names`` are left alone where a text
object is ``verbatim`` ("Text object"). Line breaks and invisible characters of the text are lost,
so that it cannot begin a line of its own. Links go only to hosts that the settings name.

Text is never cut. A line is a row of pieces (words, code spans, links, marks of citations) that
are kept whole; a line that is longer than a section goes on in the next one, and blocks that are
too many for a message in the next message. Limits: "Section block" (3,000 characters), "Header
block" (150), "Context block" (10 elements), "Button element" (75 of text, 3,000 of address),
"Blocks" (50 in a message), all under docs.slack.dev/reference/block-kit. Slack also
refuses messages whose blocks come to about 13,200 characters, which no page says
(slackapi/bolt-js#2509, #2867): a message here stays below ``MESSAGE``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import quote, urlsplit

from pydantic import JsonValue

from ingest.documents import Frozen
from service.settings import Settings

Block = dict[str, JsonValue]
Line = Sequence[str]
"""Pieces that are not cut, each with the space that follows it."""

SECTION = 3_000
HEADER = 150
BLOCKS = 50
ELEMENTS = 10
"""Of a context block."""
BUTTON = 75
ADDRESS = 3_000
MESSAGE = 10_000
"""Characters of all blocks of a message, as JSON."""
_NOTICE = 600
"""Characters of the text beside the blocks, for notifications; Slack advises at most 4,000."""

_PIECE = 150
"""Characters of text in a piece: escaped, it is at most five times as long."""
_LINK = 2_000
"""A longer address is left out, and its title stays."""
_MARKS = 100
"""Marks of citations in a piece."""
_SPARE = 1
"""Blocks that are left free in a message, for a line that is added below it."""
_TOKEN = re.compile(r"`(?=[^`]*[^`\s])[^`]*` ?|[^`\s]+ ?|` ?")
"""A code span, or what is between it and the next space."""


class Message(Frozen):
    """What one call posts: ``text`` is for notifications and screen readers."""

    text: str
    blocks: tuple[Block, ...]


# -- text ------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """The text on one line, without invisible characters."""
    visible = (
        " " if character.isspace() else character
        for character in text
        if character.isspace()
        or unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cs", "Cn")
    )
    return " ".join("".join(visible).split())


def escape(text: str) -> str:
    """The text as mrkdwn that shows it and does nothing."""
    return _entities(plain(text))


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shortened(text: str, most: int) -> str:
    """At most ``most`` characters, cut between words where it can be. Never for citations."""
    text = plain(text)
    if len(text) <= most:
        return text
    head = text[: most - 1]
    return (head.rsplit(" ", 1)[0] if " " in head else head) + "…"


def bold(text: str) -> list[str]:
    """The text as bold pieces."""
    pieces, rest = [], plain(text.replace("*", ""))
    while rest:
        head, gap, rest = _first_words(rest)
        pieces.append(f"*{_entities(head)}*{gap}")
    return pieces


# -- lines -----------------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    """The text as pieces; `code spans` stay code, and a lone backtick becomes an apostrophe."""
    pieces: list[str] = []
    for token in _TOKEN.findall(plain(text)):
        word = token.rstrip(" ")
        if len(word) > 2 and word[0] == word[-1] == "`":
            pieces += code(word[1:-1])
        else:
            word = word.replace("`", "'")
            chunks = range(0, len(word), _PIECE)
            pieces += [_entities(word[start : start + _PIECE]) for start in chunks]
        if token.endswith(" ") and pieces:
            pieces[-1] += " "
    return pieces


def code(text: str) -> list[str]:
    """The text as one code span, or as several where it is long."""
    text = plain(text).replace("`", "'")
    chunks = (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
    return [f"`{_entities(chunk)}`" for chunk in chunks if chunk.strip()]


def cited(text: str, numbers: Iterable[int], *, lead: str = "") -> Line:
    """A sentence with the marks of its citations, which stay with its last word."""
    pieces = [*([lead] if lead else []), *words(text)]
    marks = [f"[{number}]" for number in numbers]
    groups = ["".join(marks[at : at + _MARKS]) for at in range(0, len(marks), _MARKS)]
    if groups and pieces:
        pieces[-1] = f"{pieces[-1].removesuffix(' ')} {groups.pop(0)}"
    return [*pieces, *groups]


def linked(title: str, url: str | None, hosts: frozenset[str]) -> list[str]:
    """The title, as a link where the address leads to one of the hosts."""
    address = safe_url(url, hosts)
    target = "" if address is None else address.replace("&", "&amp;")
    if not target or len(target) > _LINK:
        return words(title)
    label, gap, rest = _first_words(plain(title).replace("`", "'"))
    return [f"<{target}|{_entities(label) or 'link'}>{gap}", *words(rest)]


def _first_words(text: str) -> tuple[str, str, str]:
    """What fits into a piece, the space after it if there is one, and the rest."""
    if len(text) <= _PIECE:
        return text, "", ""
    head = text[:_PIECE].rpartition(" ")[0] or text[:_PIECE]
    rest = text[len(head) :]
    return head, " " if rest.startswith(" ") else "", rest.lstrip(" ")


def safe_url(url: str | None, hosts: frozenset[str]) -> str | None:
    """The address, if it is http(s) and leads to one of the hosts; quoted for use in ``<…>``."""
    if url is None:
        return None
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or host not in hosts or parts.username is not None:
        return None
    # Everything that ends a link or a line; what is already quoted stays as it is.
    return quote(url.strip(), safe="%:/?#[]@!$&'()*+,;=~-._")


def hosts_of(settings: Settings) -> frozenset[str]:
    """Where links may lead: to where the documents, the metrics and this service itself are."""
    addresses = [
        settings.public_url,
        settings.grafana_url,
        settings.prometheus_url,
        settings.alertmanager_url,
        settings.jira_url,
        *(source.base_url for source in settings.sources),
        *(source.url for source in settings.sources),
    ]
    return frozenset(
        host for address in addresses if address and (host := urlsplit(address).hostname)
    )


# -- blocks ----------------------------------------------------------------------------------------


def sections(lines: Iterable[Line]) -> list[Block]:
    """The lines as section blocks."""
    return [{"type": "section", "text": mrkdwn(text)} for text in _packed(lines)]


def context(lines: Iterable[Line]) -> list[Block]:
    """Small print, each line an element; a block has no more text than a section."""
    rows: list[list[str]] = []
    for text in (text for line in lines for text in _packed([line])):
        last = rows[-1] if rows else []
        if last and len(last) < ELEMENTS and sum(map(len, last)) + len(text) <= SECTION:
            last.append(text)
        else:
            rows.append([text])
    return [{"type": "context", "elements": [mrkdwn(text) for text in row]} for row in rows]


def _packed(lines: Iterable[Line]) -> list[str]:
    """The lines in as few texts as they fit into: a line is kept together where it can be."""
    texts: list[str] = []
    current = ""
    for line in lines:
        whole = "".join(line).rstrip()
        if not whole:
            continue
        if current and len(current) + 1 + len(whole) <= SECTION:
            current += "\n" + whole
            continue
        if current:
            texts.append(current)
        current = ""
        for piece in line:
            if len(current) + len(piece) > SECTION:
                texts.append(current)
                current = ""
            current += piece
        current = current.rstrip()
    texts.append(current)
    return [text for text in texts if text.strip()]


def mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def header(text: str) -> Block:
    shown = shortened(text, HEADER) or "Why?"
    return {"type": "header", "text": {"type": "plain_text", "text": shown, "emoji": False}}


def messages(text: str, blocks: Iterable[Block]) -> list[Message]:
    """The blocks in as many messages as they need, each with the ``text``."""
    pages: list[list[Block]] = [[]]
    size = 0
    for block in blocks:
        length = len(json.dumps(block, ensure_ascii=False))
        if pages[-1] and (len(pages[-1]) == BLOCKS - _SPARE or size + length > MESSAGE):
            pages.append([])
            size = 0
        pages[-1].append(block)
        size += length
    shown = escape(shortened(text, _NOTICE))
    return [Message(text=shown, blocks=tuple(page)) for page in pages if page]
