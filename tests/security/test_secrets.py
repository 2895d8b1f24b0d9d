"""A secret that lies in any source is in no file of the index afterwards, and in no passage.

Shapes are those of real tokens; every value is made up. What only looks like one stays.
"""

import asyncio
import json
from pathlib import Path

import pytest

from ingest.chunking import ChunkingPolicy
from ingest.documents import SourceKind
from ingest.index import Scope
from ingest.index.edge_store import EdgeStore
from ingest.redaction import redact_text
from ingest.sources import open_source
from ingest.sync import sync
from service.retrieval import Retriever
from tests.encoders import HashingEncoder
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
        "glossary/a.md": f"**quota** - what is full; {secret}\n",
    }
    return write(root, files)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_any_source_is_not_in_the_index(name: str, tmp_path: Path) -> None:
    root = planted(tmp_path / "sources", SECRETS[name])

    async def run() -> str:
        store, encoder = EdgeStore(tmp_path / "index"), HashingEncoder()
        sources = [open_source(kind, name=kind, path=root / kind) for kind in SourceKind]
        report = await sync(sources, store, encoder=encoder, policy=ChunkingPolicy())
        index = await store.open_current()
        try:
            found = await Retriever(index, encoder).everything(scope=Scope())
        finally:
            await index.aclose()
            await store.aclose()
        assert {chunk.kind for chunk in found} == set(SourceKind)
        return report.model_dump_json() + "".join(chunk.model_dump_json() for chunk in found)

    shown = asyncio.run(run())

    assert VALUES[name] not in shown
    assert "[redacted:" in shown
    files = [file for file in (tmp_path / "index").rglob("*") if file.is_file()]
    assert files
    assert [file for file in files if VALUES[name].encode() in file.read_bytes()] == []


@pytest.mark.parametrize(
    "text",
    [
        "image checkout@sha256:"
        + "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904 broke it",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736, request 6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "pod checkout-7d9f8b6c5d-x2x4q on gke-prod-pool-1-3f2a91bc-k8s2",
        "GPU-5f2c1e9a-8b7d-4c3e-9a1f-2d6e8b4c7a90 has Xid 79",
        "arn:aws:iam::123456789012:role/checkout and vol-0a1b2c3d4e5f67890",
        'rate(node_cpu_seconds_total{mode="idle"}[5m]) by token_bucket_fill_rate_5m_p99',
        "kubectl create secret generic checkout-tls --from-file=tls.key",
        "the API key is kept in vault under secret/checkout/prod",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert redact_text(text) == text
