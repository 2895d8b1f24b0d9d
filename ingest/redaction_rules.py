"""What gives a secret away: its own shape, or the words around it.

A rule runs only on texts that hold one of its triggers, since most texts hold none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

_Spans = Iterator[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Rule:
    """``kind`` names it in the text; ``find`` yields spans of secrets in texts (in lower case)
    with one of ``triggers``."""

    kind: str
    triggers: tuple[str, ...]
    find: Callable[[str], _Spans]


_PLUGINS: tuple[tuple[str, tuple[str, ...], type[RegexBasedDetector]], ...] = (
    ("artifactory-token", ("akc",), ArtifactoryDetector),
    ("aws-key", ("akia", "asia", "abia", "acca", "a3t", "aws"), AWSKeyDetector),
    ("azure-key", ("accountkey=",), AzureStorageKeyDetector),
    ("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), GitHubTokenDetector),
    ("gitlab-token", ("gl", "gr1348941"), GitLabTokenDetector),
    ("mailchimp-key", ("-us",), MailchimpDetector),
    ("npm-token", ("_authtoken",), NpmDetector),
    ("openai-key", ("t3blbkfj",), OpenAIDetector),
    ("pypi-token", ("pypi-",), PypiTokenDetector),
    ("sendgrid-key", ("sg.",), SendGridDetector),
    ("slack-token", ("xox", "hooks.slack.com"), SlackDetector),
    ("square-token", ("sq0csp-",), SquareOAuthDetector),
    ("stripe-key", ("k_live_",), StripeDetector),
    ("twilio-key", ("ac", "sk"), TwilioKeyDetector),
)
"""Plugins whose matches have a shape that nothing else has. Left out are those that take any
long random string (entropy) or any word behind a colon (keyword) for a secret: in this kind of
text that is every image digest and half of the prose."""

_TOKENS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("aws-key", ("aws",),
     r"(?i:aws_?(?:secret|session)\w*)[\"']?\s*[=:]\s*[\"']?([A-Za-z0-9/+=]{40,})"),
    ("github-token", ("github_pat_",), r"\bgithub_pat_[A-Za-z0-9_]{22,}"),
    ("gcp-key", ("aiza",), r"\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    ("gcp-token", ("ya29.", "gocspx-"), r"\b(?:ya29\.|GOCSPX-)[A-Za-z0-9_-]{20,}"),
    ("jwt", ("eyj",), r"\beyJ[\w=-]{8,}\.[\w=-]{8,}(?:\.[\w=+/-]*)?"),
    ("nvidia-key", ("nvapi-",), r"\bnvapi-[A-Za-z0-9_-]{20,}"),
    ("openai-key", ("sk-",), r"(?<![\w-])sk-(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Za-z0-9_-]{20,}"),
    ("slack-token", ("xox", "xapp-"), r"\b(?:xox[a-z](?:\.xox[a-z])?|xapp)-[A-Za-z0-9-]{10,}"),
    ("grafana-token", ("glsa_", "glc_"), r"\bgl(?:sa|c)_[A-Za-z0-9+/=_]{32,}"),
    ("vault-token", ("hvs.", "hvb."), r"\bhv[sb]\.[A-Za-z0-9_-]{24,}"),
    ("huggingface-token", ("hf_",), r"\bhf_[A-Za-z0-9]{30,}"),
    ("private-key", ("private key",),
     r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
     r"(?:.*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|(?:\s*[A-Za-z0-9+/=\\:, -]{16,})*)"),
    ("authorization", ("bearer",), r"(?i:\bbearer)\s+(?=[^\s\"']*\d)([A-Za-z0-9._~+/-]{16,}=*)"),
    ("authorization", ("authorization",),
     r"(?i:\bauthorization)[\"']?\s*[:=]\s*[\"']?(?i:basic|token|apikey|digest)\s+(?![\[<${(*])([^\s\"'`]{6,})"),
    ("authorization", ("cookie:",), r"(?i:\bcookie):\s*([\w-]+=[^\s\"'`]{12,})"),
)  # fmt: skip

_SHORTEST_TOKEN = 16
"""Characters of a token that a plugin's pattern has a group for."""

_QUOTED = r"\"(?P<double>[^\"\n]*)\"|'(?P<single>[^'\n]*)'"
_BARE = r"(?P<bare>[^\s\"'`,;&|<>(){}\[\]]+)"
_PASSWORD = re.compile(
    rf"(?P<key>passw(?:or)?d|passwd|passphrase|pwd)[\"'`]?(?P<sign>\s*(?::=|=>|==?|:)\s*|\s+(?=[\"']))"
    rf"(?:{_QUOTED}|{_BARE})",
    re.IGNORECASE,
)
_NAMED_TOKEN = re.compile(
    r"(?P<key>secret|token|api[_-]?key|access[_-]?key|private[_-]?key|secret[_-]?key|credentials?)"
    rf"[\"'`]?(?P<sign>\s*(?::=|=>|=|:)\s*)(?:{_QUOTED}|{_BARE})",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r"(?:--(?:password|passwd|pass|secret|token|api-key|requirepass)\s+|sshpass\s+-p\s*|"
    r"redis-cli\b[^\n|;]{0,60}?\s-a\s+|\brequirepass\s+|\bmasterauth\s+)"
    rf"(?:{_QUOTED}|{_BARE})"
)
_CONFIG_FILE = re.compile(r"/(?:[\w.-]+/)+[\w-]+\.(?:conf|cfg|ini|ya?ml|json|rb|txt)")
"""As in ``grep requirepass /etc/redis/redis.conf``."""
_USER_OPTION = re.compile(r"(?:\s-u|--user)[ =]?[\"']?[\w.@-]+:(?!//)(?P<bare>[^\s\"':]{4,})")
_CONNECTION = re.compile(r"://(?P<user>[^\s:/@\"'`<>]*):(?P<bare>[^\s/\"'`<>]+)@(?=[\w.\[$<{-])")
_EMAIL = r"(?<![\w.+-])[A-Za-z0-9][\w.+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b"

_PLACEHOLDER = re.compile(
    r"^[$%{<\[(@\\]|\$\{|\{\{|^[*x.•_-]+$|^\[redacted|^(your|my|the|some|an?|new|old|example|"
    r"change_?me|todo|null|none|true|false|nil|redacted|placeholder|hidden|dummy|empty|"
    r"required|optional|string|secret|password|passwd|pass|pwd|token|user)([-_ ./:].*)?$",
    re.IGNORECASE,
)
_CODE = re.compile(r"^[A-Za-z_][\w.]*[(\[]|^(os|env|process|config|settings|self|vault|secrets?)\.")
_REFERENCE = re.compile(r"^[a-z]+(?:[-_./][a-z0-9]+)*$", re.IGNORECASE)


def rules_for(text: str, *, emails: bool) -> list[Rule]:
    """The rules of which ``text`` holds a trigger."""
    lowered = text.lower()
    present = {number for trigger, number in _triggers() if trigger in lowered}
    rules = [rule for number, rule in enumerate(_rules()) if number in present]
    if emails and "@" in text:
        rules.append(_token_rule("email", ("@",), _EMAIL))
    return rules


@cache
def _triggers() -> tuple[tuple[str, int], ...]:
    """Every trigger with the number of its rule."""
    return tuple(
        (trigger, number) for number, rule in enumerate(_rules()) for trigger in rule.triggers
    )


@cache
def _rules() -> tuple[Rule, ...]:
    return (
        *(_plugin_rule(kind, triggers, plugin()) for kind, triggers, plugin in _PLUGINS),
        *(_token_rule(kind, triggers, pattern) for kind, triggers, pattern in _TOKENS),
        Rule("password", ("passw", "pwd", "passphrase"), _passwords),
        Rule(
            "secret",
            ("secret", "token", "key", "credential"),
            lambda text: _valued(_NAMED_TOKEN, text, _is_random_value),
        ),
        Rule(
            "password",
            ("--pass", "--secret", "--token", "--api-key", "sshpass", "redis-cli", "requirepass",
             "masterauth"),
            lambda text: _valued(
                _OPTION,
                text,
                lambda _, value: _is_secret_word(value) and not _CONFIG_FILE.fullmatch(value),
            ),
        ),
        Rule(
            "password",
            (" -u", "--user"),
            lambda text: _valued(_USER_OPTION, text, lambda _, value: not _is_placeholder(value)),
        ),
        Rule(
            "password",
            ("://",),
            lambda text: _valued(_CONNECTION, text, lambda _, value: not _is_placeholder(value)),
        ),
    )  # fmt: skip


def _plugin_rule(kind: str, triggers: tuple[str, ...], plugin: RegexBasedDetector) -> Rule:
    def find(text: str) -> _Spans:
        matches = (found for pattern in plugin.denylist for found in pattern.finditer(text))
        for token in dict.fromkeys(map(_token_in, matches)):
            yield from (
                match.span()
                for match in re.finditer(
                    rf"(?<![A-Za-z0-9]){re.escape(token)}(?![A-Za-z0-9])", text
                )
            )

    return Rule(kind, triggers, find)


def _token_in(found: re.Match[str]) -> str:
    """The secret of a plugin's match: a group of it where that is long enough to be one. Other
    groups hold a token's prefix only; the plugin itself would give that for the secret."""
    group = max(found.groups(default=""), key=len, default="")
    # Some patterns take the character before and after along, others end in a word.
    return (group if len(group) >= _SHORTEST_TOKEN else found[0]).strip(" \t\n\"'=:")


def _token_rule(kind: str, triggers: tuple[str, ...], pattern: str) -> Rule:
    compiled = re.compile(pattern, re.DOTALL)
    group = compiled.groups and 1

    def find(text: str) -> _Spans:
        yield from (match.span(group) for match in compiled.finditer(text))

    return Rule(kind, triggers, find)


def _valued(
    pattern: re.Pattern[str], text: str, is_secret: Callable[[re.Match[str], str], bool]
) -> _Spans:
    """The spans of the values that ``pattern`` finds and ``is_secret`` agrees to."""
    for found in pattern.finditer(text):
        for group in ("double", "single", "bare"):
            if group in pattern.groupindex and found[group]:
                start, end = found.span(group)
                value = found[group]
                if group == "bare" and value.endswith("."):
                    value, end = value.rstrip("."), start + len(value.rstrip("."))
                if is_secret(found, value):
                    yield start, end


def _passwords(text: str) -> _Spans:
    return _valued(_PASSWORD, text, _is_password)


def _is_password(found: re.Match[str], value: str) -> bool:
    """Behind ``=`` and in quotes a word will do; in prose and YAML it must not be a plain word."""
    if not _is_secret_word(value):
        return False
    assigned = "=" in found["sign"]
    quoted = found["bare"] is None
    if quoted and not found["sign"].strip():
        return _looks_mixed(value)
    return assigned or (quoted and " " not in value) or _looks_mixed(value)


def _is_secret_word(value: str) -> bool:
    return len(value) >= 4 and not _is_placeholder(value) and not _CODE.match(value)


def _is_random_value(found: re.Match[str], value: str) -> bool:
    """What a key named ``token`` or ``secret`` holds is mostly another name; random is not."""
    return (
        len(value) >= 16
        and not _is_placeholder(value)
        and not _CODE.match(value)
        and " " not in value
        and "/" not in value[:1]
        and "://" not in value
        and looks_random(value)
    )


def _is_placeholder(value: str) -> bool:
    return bool(_PLACEHOLDER.search(value))


def _looks_mixed(value: str) -> bool:
    """Letters together with digits or signs that prose has not, and no name of something."""
    has_letter = any(character.isalpha() for character in value)
    odd = any(character.isdigit() or character in "!#%^*+=?@~" for character in value)
    return len(value) >= 6 and has_letter and odd


def looks_random(value: str) -> bool:
    """Digits spread among letters, as in no word, path or version."""
    digits = sum(character.isdigit() for character in value)
    letters = sum(character.isalpha() for character in value)
    if digits < 2 or letters < 2:
        return False
    switches = sum(a.isdigit() != b.isdigit() for a, b in pairwise(value))
    return switches >= 4 or not _REFERENCE.match(value)
