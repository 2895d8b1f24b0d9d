"""Made-up secrets, put into every kind of source, and how they are looked for afterwards.

Shapes are those of real tokens. What is looked for is their letters and digits in any case: an id
or an anchor that was made of a text has lost the rest.
"""

from __future__ import annotations

import io
import json
import logging
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote_to_bytes

import structlog

from service.settings import Settings
from service.telemetry import configure_logging
from tests.ingest.sources.reading import write

# In parts, so that no scanner takes this file for a leak.
SECRETS = {
    "aws": "AKIA" + "Q3EGRTPX7NMWK2ZD",
    "github": "ghp_" + "x7Kq2mV9tR4wZ1nB8cL5pY3sD6fG0hJaUeTi",
    "slack": "xoxb-" + "482910375612-7391028465501-Qm7Zr2Xv9Lk4Tn8Wp1Bc6Yd3",
    "gitlab": "glpat-" + "Zx9Qw3Er7Ty1Ui5Op2As",
    "grafana": "glsa_" + "Hk7Lm2Qp9Rt4Vx6Zb1Nc3Df5Gj8Sw0Ya_4f2a91bc",
    "jwt": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiJ3aHkifQ.Q7rT2mX9pL4kV8nZ1wB6",
    "openai": "sk-" + "proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z",
    "pagerduty": "Authorization: Token token=" + "y_NbAkKc66ryYTWUXYEu",
    "url": "postgres://why:" + "tr0ub4dor-and-3@db.internal:5432/why",
    "password": "password=" + "Zn6!qhV2wTx9",
}
VALUES = {
    name: text.rpartition("=")[2].rpartition("why:")[2].partition("@db")[0]
    for name, text in SECRETS.items()
}
ALL = "; ".join(SECRETS.values())

_PIECE = 8
_KEPT = (string.ascii_lowercase + string.digits).encode()
_DROPPED = bytes(byte for byte in range(256) if byte not in _KEPT)


def found_in(shown: str | bytes, values: dict[str, str] = VALUES) -> list[str]:
    """The names of the secrets of which a part is in it."""
    data = shown.encode() if isinstance(shown, str) else shown
    texts = [_letters(data), _letters(unquote_to_bytes(data)) if b"%" in data else b""]
    return [
        name
        for name, value in values.items()
        if any(piece in text for piece in _pieces(value) for text in texts)
    ]


def found_below(folder: Path, values: dict[str, str] = VALUES) -> dict[str, list[str]]:
    """By file: the secrets in its bytes."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files, folder
    seen = {file.name: found_in(file.read_bytes(), values) for file in files}
    return {name: found for name, found in seen.items() if found}


def _pieces(value: str) -> list[bytes]:
    """Its letters and digits, eight at a time: half a token is a leak, too."""
    letters = _letters(value.encode())
    starts = [*range(0, len(letters) - _PIECE, _PIECE), len(letters) - _PIECE]
    return [letters[start : start + _PIECE] for start in starts]


def _letters(data: bytes) -> bytes:
    return data.lower().translate(None, _DROPPED)


def page(text: str) -> str:
    return f"# Checkout {text}\n\n## Log in with {text}\n\nUse `{text}` when quota is full.\n"


def planted(root: Path, secret: str) -> Path:
    """One of every kind of source, with the secret in each of their texts."""
    said = {"type": "message", "user": "U1", "ts": "1718700000.0001", "text": f"use {secret} now"}
    rule = {"alert": "QuotaFull", "expr": "up == 0", "annotations": {"description": secret}}
    rule["labels"] = {"note": secret}
    panel = {"id": 1, "title": secret, "description": secret, "targets": [{"expr": "up"}]}
    variable = {"name": "v", "type": "custom", "query": secret, "current": {"value": secret}}
    files = {
        "runbooks/checkout.md": f"---\nservices: ['{secret}']\n---\n{page(secret)}",
        "incidents/INC-1.md": f"---\npublished: 2026-01-02\ncause: {secret!r}\n---\n{page(secret)}",
        "slack/channels.json": '[{"id": "C1", "name": "ops"}]',
        "slack/users.json": '[{"id": "U1", "real_name": "Mira"}]',
        "slack/ops/2024-06-18.json": json.dumps([said]),
        "dashboards/a.json": json.dumps(
            {"uid": "a", "title": secret, "panels": [panel], "templating": {"list": [variable]}}
        ),
        "alerts/a.yaml": json.dumps({"groups": [{"name": "g", "rules": [rule]}]}),
        "glossary/a.md": f"**quota** - what is full; {secret}\n\n**{secret}** - what opens it\n",
    }
    return write(root, files)  # type: ignore[arg-type]


def broken(root: Path, secret: str) -> Path:
    """One of every kind of source that can't be read, where the secret stands beside the fault."""
    files = {
        "runbooks/a.md": f"---\ntoken: {secret}\n  services: [a\n---\n# A\n\nText.\n",
        "runbooks/b.md": f"+++\ntoken = {secret}\n+++\n# B\n\nText.\n",
        "incidents/a.md": f"---\npublished: '{secret}'\n---\n# A\n\n{secret}\n",
        "incidents/b.md": f"---\npublished: 2026-01-02\nstarted: {secret!r}\n---\n# A\n\nText.\n",
        "slack/channels.json": f'[{{"id": "C1", "name": "{secret}"',
        "slack/ops/2024-06-18.json": json.dumps([{"ts": secret, "text": secret}, secret]),
        "dashboards/a.json": json.dumps(
            {"uid": [secret], "title": {"a": secret}, "panels": secret}
        ),
        "alerts/a.yaml": f"groups:\n- name: {secret}\n  rules: [{{alert: a, expr: '{secret}'\n",
        "alerts/b.yaml": f"groups:\n- {secret}\n- name: x\n  rules:\n  - {secret!r}\n",
        "glossary/a.md": f"**{secret}** - one\n\n**{secret}** - two\n",
    }
    return write(root, files)  # type: ignore[arg-type]


@contextmanager
def logged(settings: Settings) -> Iterator[io.StringIO]:
    """What a server with these settings logs."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    ours = {name: logging.getLogger(name).level for name in ("ingest", "service", "uvicorn")}
    configure_logging(settings, stream)
    try:
        yield stream
    finally:
        root.handlers = handlers
        root.setLevel(level)
        for name, before in ours.items():
            logging.getLogger(name).setLevel(before)
        structlog.reset_defaults()
