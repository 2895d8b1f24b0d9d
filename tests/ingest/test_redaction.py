"""Planted secrets are built at run time, so that scanners find none in this repository."""

import base64
import json
import time
from collections.abc import Iterator

import pytest

from ingest.documents import (
    Document,
    PanelFacts,
    RunbookFacts,
    Section,
    SourceKind,
)
from ingest.redaction import redact_document
from ingest.sources import open_source
from tests.corpora import SHARED_DATA, needs_shared_data


def page(*texts: str, title: str = "A page", facts: RunbookFacts | None = None) -> Document:
    return Document(
        id="runbooks/a.md",
        source="runbooks",
        kind=SourceKind.RUNBOOKS,
        title=title,
        origin="a.md",
        sections=tuple(Section(text=text) for text in texts),
        facts=facts,
    )


def letters(count: int) -> str:
    """Characters that look drawn at random."""
    return ("aB3dE7gH1jK9mN5pQ2rS8tU4vW6xY0zC" * (count // 32 + 1))[:count]


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


JWT = ".".join([part({"alg": "HS256"}), part({"sub": "mira"}), letters(43)])
HEX = "0123456789abcdef0123456789abcdef"
PRIVATE_KEY = "\n".join(
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        letters(64),
        letters(40),
        "-----END RSA PRIVATE KEY-----",
    ]
)

# The text around it, the secret in it, the kind that the reader is told.
PLANTED = [
    ("export KEY={}", "AKIA" + "Q7KESTREL2FA3X9Z", "aws-key"),
    ("aws_secret_access_key = {}", letters(40), "aws-key"),
    ("DefaultEndpointsProtocol=https;AccountKey={}==", letters(86), "azure-key"),
    ("clone with {}", "gh" + "p_" + letters(36), "github-token"),
    ("clone with {}", "github" + "_pat_" + letters(60), "github-token"),
    ("use {} for the runner", "gl" + "pat-" + letters(20), "gitlab-token"),
    ("maps key {}", "AI" + "za" + letters(35), "gcp-key"),
    ("gcloud says {}", "ya" + "29." + letters(60), "gcp-token"),
    ("NGC: {}", "nv" + "api-" + letters(64), "nvidia-key"),
    ("model key {}", "s" + "k-proj-" + letters(48), "openai-key"),
    ("model key {}", "s" + "k-" + letters(20) + "T3Blbk" + "FJ" + letters(20), "openai-key"),
    ("bot {}", "xo" + "xb-1234567890-0987654321-" + letters(24), "slack-token"),
    ("posted with {}", "xo" + "xe.xo" + "xp-1-" + letters(40), "slack-token"),
    ("hook {}", "https://hooks.slack.com/serv" + "ices/T0ABC/B0DEF/" + letters(24), "slack-token"),
    ("cookie is {} today", JWT, "jwt"),
    ("the dashboard uses {}", "gl" + "sa_" + letters(32) + "_0a1b2c3d", "grafana-token"),
    ("vault login {}", "hv" + "s." + letters(30), "vault-token"),
    ("hub {}", "h" + "f_" + letters(34), "huggingface-token"),
    ("upload with {}", "py" + "pi-AgEIcHlwaS5vcmc" + letters(80), "pypi-token"),
    ("mail {}", "S" + "G." + letters(22) + "." + letters(43), "sendgrid-key"),
    ("pay {}", "s" + "k_live_" + letters(24), "stripe-key"),
    ("sms {}", "S" + "K" + HEX, "twilio-key"),
    ("it is in the repo:\n{}\nsorry", PRIVATE_KEY, "private-key"),
    ("curl -H 'Authorization: Bearer {}' https://x", letters(32), "authorization"),
    ('"authorization": "Basic {}"', letters(24), "authorization"),
    ("postgresql://app:{}@orders-db:5432/orders", "Sp4rrow-Kite", "password"),
    ("redis://:{}@session-cache:6379/0", "kestrelkestrel", "password"),
    ("mongodb+srv://ops:{}@cluster0.example.net", "a%40b!cdef", "password"),
    ("Server=db;User Id=sa;Password={};Encrypt=true", "winter24!", "password"),
    ("jdbc:mysql://db/shop?user=a&password={}&ssl=1", "tulipfield", "password"),
    ("PGPASSWORD={} psql -h orders-db", "tulipfield", "password"),
    ("password: {}", "hunter22x", "password"),
    ('{{"password": "{}"}}', "tulipfield", "password"),
    ("mysqladmin --password {} status", "tulipfield", "password"),
    ("redis-cli -h cache -a {} info", "tulipfield", "password"),
    ("curl -u mira:{} https://x", "tulipfield", "password"),
    ("requirepass {}", "/tulip/field+conf", "password"),
    ("api_key: {}", letters(32), "secret"),
    ("X-Vault-Token: {}", letters(26), "secret"),
]


@pytest.mark.parametrize(("around", "secret", "kind"), PLANTED)
def test_a_planted_secret_is_replaced_by_its_kind(around: str, secret: str, kind: str) -> None:
    redacted, counts = redact_document(page(f"# Access\n\n{around.format(secret)} and more"))

    assert secret not in redacted.text
    assert secret[-8:] not in redacted.text
    assert f"[redacted:{kind}]" in redacted.text
    assert redacted.text.startswith("# Access\n\n")
    assert redacted.text.endswith(" and more")
    assert counts == {kind: 1}


@pytest.mark.parametrize(
    "harmless",
    [
        "Ask Mira for the password, then set a new password: it expires after 90 days.",
        "password: required",
        "Change the password with `passwd deploy`.",
        "export PGPASSWORD=$(vault read -field=password secret/orders)",
        "postgresql://app:$PASSWORD@orders-db/orders and postgresql://app:<password>@orders-db",
        "redis-cli -a ${REDIS_PASSWORD} info",
        "sudo grep ^masterauth /var/opt/gitlab/redis/redis.conf | cut -d' ' -f2",
        "grep requirepass /etc/redis/redis-6379.conf",
        "catalog load -p /config/catalog.cfg -u http://catalog:5000",
        "login(password=settings.password, token=get_token())",
        "token: the token service; secret: alertmanager-main",
        "secretName: session-cache-tls-2026",
        "Authorization: Bearer <token>",
        "commit 1f3870be274f6c49b3e31a0c6728957f1f3870be broke it",
        "image registry.example/auth@sha256:" + HEX + HEX,
        "trace 6f1a2c9e-0d53-4b7e-9a51-2c8f3b6d7e10",
        'sum(rate(http_requests_total{service="auth",code="5xx"}[5m])) / 1e6',
        "https://grafana.example:3000/d/abc123/auth?orgId=1&from=now-6h",
        "http://proxy:8080/users/@me",
        "see tasks-and-risk-assessment-2026Q3 and disk-usage-on-Node7",
        "kubectl -n auth get secret auth-tls -o jsonpath='{.data.tls\\.crt}'",
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_text_without_a_secret_stays_as_it_is(harmless: str) -> None:
    document = page(harmless)

    assert redact_document(document) == (document, {})


def test_a_private_key_that_is_cut_off_is_replaced_up_to_the_next_prose() -> None:
    cut = PRIVATE_KEY.rpartition("\n")[0]

    redacted, _ = redact_document(page(f"{cut}\n\nDon't do this."))

    assert redacted.text == "[redacted:private-key]\n\nDon't do this."


def test_facts_stay_verbatim_parts_of_the_redacted_text() -> None:
    token = "nv" + "api-" + letters(40)
    cause = f"The key {token} expired."
    document = page(f"- {cause}", facts=RunbookFacts(causes=(cause,), next_check=f"try {token}"))

    redacted, counts = redact_document(document)

    assert isinstance(redacted.facts, RunbookFacts)
    assert redacted.facts.causes[0] in redacted.text
    assert token not in redacted.model_dump_json()
    assert counts == {"nvidia-key": 1}


def test_a_fact_whose_secret_only_the_text_around_it_gives_away_loses_it_too() -> None:
    secret = letters(24)
    facts = PanelFacts(dashboard_uid="d", dashboard="D", panel="P", queries=(secret,))
    document = page(f"password={secret}").model_copy(
        update={"facts": facts, "kind": SourceKind.DASHBOARDS}
    )

    redacted, _ = redact_document(document)

    assert isinstance(redacted.facts, PanelFacts)
    assert redacted.facts.queries == ("[redacted:password]",)


def test_a_secret_that_is_repeated_without_its_key_is_found_again() -> None:
    secret = letters(20)
    document = page(f"mira: password={secret}", f"jonas: {secret} works for me", title=secret)

    redacted, _ = redact_document(document)

    assert redacted.title == "[redacted:password]"
    assert redacted.sections[1].text == "jonas: [redacted:password] works for me"


def test_spans_refer_to_the_redacted_text() -> None:
    document = page("token=" + letters(40))
    assert document.text  # what a copy would keep

    redacted, _ = redact_document(document)

    assert redacted.text == redacted.sections[0].text
    assert redacted.revision != document.revision


def test_redacting_twice_changes_nothing_more() -> None:
    once, _ = redact_document(page(*(around.format(secret) for around, secret, _ in PLANTED)))

    assert redact_document(once) == (once, {})


def test_email_addresses_are_left_unless_asked_for() -> None:
    document = page("Ask mira.okafor@kestrel.example first.")

    assert redact_document(document) == (document, {})
    redacted, counts = redact_document(document, emails=True)
    assert redacted.text == "Ask [redacted:email] first."
    assert counts == {"email": 1}


def _shared_documents() -> Iterator[Document]:
    for kind, folder in [
        (SourceKind.RUNBOOKS, "runbooks-openshift"),
        (SourceKind.RUNBOOKS, "runbooks-prometheus-operator"),
        (SourceKind.INCIDENTS, "mybinder/docs/source/incident-reports"),
        (SourceKind.DASHBOARDS, "dash-rfmoz-node-exporter"),
        (SourceKind.ALERTS, "alerts-openshift"),
    ]:
        source = open_source(kind, name=folder, path=SHARED_DATA / folder)
        yield from (found for found in source.read() if isinstance(found, Document))


@needs_shared_data
def test_real_pages_without_secrets_stay_as_they_are_and_are_read_fast() -> None:
    documents = list(_shared_documents())
    redact_document(documents[0])  # builds the rules

    start = time.process_time()
    changed = [document.id for document in documents if redact_document(document)[1]]
    seconds = time.process_time() - start

    assert changed == []
    megabytes = sum(len(document.text) for document in documents) / 1e6
    assert megabytes / seconds > 0.5  # about 5 without coverage on a quiet machine
