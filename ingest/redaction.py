"""Secrets out, before anything is stored or embedded.

Two kinds of rules look at a text. Tokens with a shape of their own (cloud keys, chat and forge
tokens, JWTs, private keys) are found by detect-secrets' plugins and by rules for those it does
not know. Secrets that only their surroundings give away (``password=…``, ``Authorization: …``,
the password in a connection string) are found by rules that look at the value too: runbooks are
full of the *word* password, of placeholders and of variables, and those stay.

Most texts hold none of the words that a rule needs, so a rule runs only where one occurs.
What was found once is replaced wherever else the document repeats it, which also keeps a fact a
verbatim part of the redacted text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator

from ingest.documents import Document
from ingest.redaction_rules import Rule, looks_random, rules_for

_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
"""Characters that show nothing or turn the direction of writing: they hide what a text says from
its readers (CVE-2021-42574, "Trojan Source") and a secret from these rules."""

_MIN_REPEATED = 8
"""Shorter secrets are replaced where they were found and not wherever else they occur."""


@dataclass(frozen=True, slots=True)
class _Finding:
    start: int
    end: int
    kind: str


def redact_document(document: Document, *, emails: bool = False) -> tuple[Document, Counter[str]]:
    """The document without its secrets, and how many of each kind its title and text held.

    A secret becomes ``[redacted:<kind>]`` in title, text and facts alike. ``emails`` takes
    e-mail addresses out as well.
    """
    document = _visible(document)
    beside = list(_strings([_around(document), document.facts and document.facts.model_dump()]))
    rules = rules_for("\n".join([document.title, document.text, *beside]), emails=emails)
    counts: Counter[str] = Counter()
    known: dict[str, str] = {}
    title = _redact(document.title, rules, counts, known)
    texts = [_redact(section.text, rules, counts, known) for section in document.sections]
    unstated = Counter[str]()  # facts repeat the text: they are changed with it, not counted twice

    def without_secrets(text: str) -> str:
        return _redact(text, rules, unstated, known)

    facts: Any = None
    if rules and document.facts is not None:
        facts = _map_strings(document.facts.model_dump(), without_secrets)
    around = _map_strings(_around(document), without_secrets) if rules else _around(document)
    if not counts and not unstated:
        return document, counts
    again = _replacer(known)
    return _with_texts(document, title, texts, around, facts, again), counts


def redact_text(text: str, *, emails: bool = False) -> str:
    """The text without its secrets, as ``redact_document`` does it."""
    text = _shown(text)
    return _redact(text, rules_for(text, emails=emails), Counter(), {})


def without_known(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets and without what looks like one."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "[redacted]")
    return redact_text(text)


Redacted = Annotated[str, AfterValidator(redact_text)]
"""A field of a model that loses its secrets when the model is made."""


def _visible(document: Document) -> Document:
    """The document without characters that show nothing; itself where it has none."""
    if not any(_INVISIBLE.search(text) for text in _strings(document.model_dump())):
        return document
    texts = [section.text for section in document.sections]
    facts = None if document.facts is None else document.facts.model_dump()
    around = _around(document)
    return _with_texts(document, document.title, texts, around, facts, _shown)


def _shown(text: str) -> str:
    return _INVISIBLE.sub("", text)


def _with_texts(
    document: Document,
    title: str,
    texts: Sequence[str],
    around: dict[str, Any],
    facts: Any,
    change: Callable[[str], str],
) -> Document:
    """The document with these, each as ``change`` makes it, in the place of its own.

    ``around``: as ``_around`` gives it.
    """
    around = _map_strings(around, change)
    changed: dict[str, Any] = {name: getattr(document, name) for name in Document.model_fields}
    changed |= {"title": change(title), **around["document"]}
    changed["sections"] = tuple(
        section.model_copy(update={"text": change(text), **beside})
        for section, text, beside in zip(document.sections, texts, around["sections"], strict=True)
    )
    if document.facts is not None:
        changed["facts"] = type(document.facts).model_validate(_map_strings(facts, change))
    # Built anew, since a copy would take the cached text along.
    return Document(**changed)


def _around(document: Document) -> dict[str, Any]:
    """What a document says beside its title, text and facts, which is stored, too. Its id and
    origin are made of a file's name, or of a name in the file."""
    return {
        "document": {
            "id": document.id,
            "origin": document.origin,
            "url": document.url,
            "services": document.services,
            "regions": document.regions,
            "customers": document.customers,
        },
        "sections": [
            {"headings": section.headings, "url": section.url} for section in document.sections
        ],
    }


def _redact(text: str, rules: Sequence[Rule], counts: Counter[str], known: dict[str, str]) -> str:
    """``text`` without secrets; ``known`` collects those worth looking for elsewhere."""
    findings = _findings(text, rules)
    if not findings:
        return text
    parts: list[str] = []
    end = 0
    for finding in findings:
        secret = text[finding.start : finding.end]
        parts += [text[end : finding.start], f"[redacted:{finding.kind}]"]
        end = finding.end
        counts[finding.kind] += 1
        if len(secret) >= _MIN_REPEATED and looks_random(secret):
            known[secret] = finding.kind
    return "".join([*parts, text[end:]])


def _findings(text: str, rules: Sequence[Rule]) -> list[_Finding]:
    """What to replace, in order and without overlap; the longer of two that overlap."""
    found = [_Finding(start, end, rule.kind) for rule in rules for start, end in rule.find(text)]
    found.sort(key=lambda finding: (finding.start, -finding.end))
    kept: list[_Finding] = []
    for finding in found:
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
        elif finding.end > kept[-1].end:
            kept[-1] = _Finding(kept[-1].start, finding.end, kept[-1].kind)
    return kept


def _replacer(known: dict[str, str]) -> Callable[[str], str]:
    """Replaces every other occurrence of what was found."""
    secrets = sorted(known, key=len, reverse=True)
    if not secrets:
        return lambda text: text
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(s)}(?![\w-])" for s in secrets))
    return lambda text: pattern.sub(lambda found: f"[redacted:{known[found[0]]}]", text)


def _map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """``value`` with every string in it changed; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _map_strings(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_map_strings(item, change) for item in value)
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
