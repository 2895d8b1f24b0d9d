"""HTML → lines of plain text and where its headings stand."""

from __future__ import annotations

import re
import warnings

from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, Tag, XMLParsedAsHTMLWarning
from bs4.element import NavigableString, PageElement, PreformattedString

from ingest.sources.markup import Heading

_INVISIBLE = ("script", "style", "template", "noscript", "nav", "svg", "head", "footer")
# fmt: off
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "form", "header", "hr", "html", "li", "main", "ol", "p",
    "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
))
# fmt: on
_HEADING = re.compile(r"^h[1-6]$")
_SPACE = re.compile(r"\s+")


def html_lines(markup: str) -> tuple[list[str], list[Heading], str | None]:
    """Lines, headings and the document's ``<title>``.

    List items begin with ``-``, cells of a row are joined by ``|``, ``<pre>`` is kept verbatim;
    navigation, scripts and footers are left out. Raises RecursionError for hopeless nesting.
    """
    with warnings.catch_warnings():
        # A page of one line may look like a file's name, XHTML like XML: both are read all right.
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        soup = BeautifulSoup(markup, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else None
    root = soup.find("main") or soup.find("article") or soup.body or soup
    for element in root.find_all(_INVISIBLE):
        element.decompose()
    writer = _Writer()
    writer.write(root)
    writer.end_line()
    return writer.lines, writer.headings, title or None


class _Writer:
    """Collects inline text until a block ends it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.headings: list[Heading] = []
        self._inline: list[str] = []

    def end_line(self) -> None:
        text = _SPACE.sub(" ", "".join(self._inline)).strip()
        if text == "-":
            return  # the item's text is in a block of its own, which follows
        self._inline.clear()
        if text:
            self.lines.append(text)

    def write(self, element: PageElement) -> None:
        if isinstance(element, NavigableString):
            if not isinstance(element, PreformattedString):  # comments, doctype
                self._inline.append(str(element))
            return
        if not isinstance(element, Tag):
            return
        if _HEADING.match(element.name):
            self._heading(element)
        elif element.name == "pre":
            self.end_line()
            self.lines += ["", *element.get_text().strip("\n").split("\n"), ""]
        elif element.name == "br":
            self.end_line()
        elif element.name in ("td", "th"):
            self._inline += ["| ", element.get_text(" ", strip=True), " "]
        elif element.name in _BLOCKS:
            self._block(element)
        else:
            self._children(element)

    def _heading(self, element: Tag) -> None:
        self.end_line()
        text = _SPACE.sub(" ", element.get_text(" ", strip=True)).rstrip("¶ ")
        if text:
            self.lines.append("")
            self.headings.append(Heading(len(self.lines), int(element.name[1]), text))
            self.lines += [text, ""]

    def _block(self, element: Tag) -> None:
        self.end_line()
        if element.name == "li":
            self._inline[:] = ["- "]
        self._children(element)
        self.end_line()
        if element.name in ("p", "ul", "ol", "table", "dl") and self.lines and self.lines[-1]:
            self.lines.append("")

    def _children(self, element: Tag) -> None:
        for child in element.children:
            self.write(child)
