"""Prometheus alerting rules: one document per alert.

Rules are found as Prometheus reads them (``groups``), in a PrometheusRule resource, alone, in a
stream of YAML documents or in a ``List``, and as a bare rule or list of rules. Recording rules
are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ingest.documents import AlertRuleFacts, Document, Problem, Section, SourceKind
from ingest.sources.files import TextFile, parse_json, read_text_files
from ingest.sources.place import Origin, Place
from ingest.sources.prometheus_labels import matched_names
from ingest.sources.yaml_files import Mapping as LocatedMapping
from ingest.sources.yaml_files import parse_yaml

_SUFFIXES = frozenset({".yaml", ".yml", ".json", ".rules"})
_LEADING_ANNOTATIONS = ("summary", "description", "message")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as written, ``labels`` and ``annotations`` included, with its group's name."""

    group: str | None
    fields: Mapping[object, object]

    def text(self, key: str) -> str | None:
        """The value of a field as a string."""
        value = self.fields.get(key)
        return None if value is None or isinstance(value, Mapping | list) else str(value).strip()

    def strings(self, key: str) -> dict[str, str]:
        """A mapping of the rule with what is not text left out."""
        value = self.fields.get(key)
        if not isinstance(value, Mapping):
            return {}
        return {
            str(name): str(item).strip()
            for name, item in value.items()
            if item is not None and not isinstance(item, Mapping | list)
        }


class AlertSource(Place):
    """A folder of rule files; ``base_url`` is Grafana's address."""

    @property
    def kind(self) -> SourceKind:
        return SourceKind.ALERTS

    def read(self) -> Iterator[Document | Problem]:
        for file in read_text_files(self.path, _SUFFIXES):
            if isinstance(file, Problem):
                yield file
                continue
            counts: dict[str, int] = {}
            for found in _rules(file):
                if isinstance(found, Problem):
                    yield found
                    continue
                # The same name several times in a group is one alert with several severities.
                place = "/".join(part for part in (found.group, found.text("alert")) if part)
                counts[place] = counts.get(place, 0) + 1
                if counts[place] > 1:
                    place = f"{place}/{counts[place]}"
                yield rule_document(self, found, f"{file.path}#{place}")


def rule_document(
    source: Origin, rule: Rule, origin: str, *, locator: str | None = None
) -> Document:
    """The document of one rule. ``locator`` is its page in Grafana, if it isn't the search."""
    labels, annotations = rule.strings("labels"), rule.strings("annotations")
    alert, expression = rule.text("alert") or "", rule.text("expr") or ""
    facts = AlertRuleFacts(
        alert=alert,
        expression=expression,
        hold=rule.text("for"),
        severity=labels.get("severity"),
        runbook_url=annotations.get("runbook_url") or annotations.get("runbook"),
    )
    return Document(
        id=source.document_id(origin),
        source=source.name,
        kind=SourceKind.ALERTS,
        title=alert,
        url=source.url(locator or f"alerting/list?search={alert}"),
        origin=origin,
        sections=(Section(text=_rule_text(facts, labels, annotations)),),
        services=_named(labels, expression, "service"),
        regions=_named(labels, expression, "region"),
        audience=source.audience,
        facts=facts,
    )


def _named(labels: Mapping[str, str], expression: str, label: str) -> tuple[str, ...]:
    """The service or region that the rule sets as a label, else those it selects."""
    value = labels.get(label)
    if value and "{{" not in value:
        return (value,)
    return matched_names([expression], label)


def _rule_text(
    facts: AlertRuleFacts, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> str:
    lines = [facts.alert]
    lines += [annotations[name] for name in _LEADING_ANNOTATIONS if annotations.get(name)]
    lines.append(f"Fires when: {facts.expression}")
    if facts.hold:
        lines.append(f"For: {facts.hold}")
    if labels:
        lines.append(f"Labels: {', '.join(f'{name}={value}' for name, value in labels.items())}")
    lines += [
        f"{name}: {value}"
        for name, value in annotations.items()
        if value and name not in _LEADING_ANNOTATIONS
    ]
    return "\n".join(lines)


def _rules(file: TextFile) -> Iterator[Rule | Problem]:
    if file.path.lower().endswith(".json"):
        yield from _find(parse_json(file.text, file.path), file.path, None)
        return
    for document in parse_yaml(file.text, file.path):
        yield from _find(document, file.path, None)


def _find(value: object, path: str, group: str | None) -> Iterator[Rule | Problem]:
    """The alerting rules in a parsed document; what a rule lacks becomes a Problem."""
    if isinstance(value, Problem):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _find(item, path, group)
    elif isinstance(value, Mapping):
        spec = value.get("spec")
        if isinstance(value.get("groups"), list):
            yield from _groups(value["groups"], path)
        elif isinstance(value.get("items"), list):
            yield from _find(value["items"], path, group)
        elif value.get("kind") == "PrometheusRule" and isinstance(spec, Mapping):
            yield from _groups(spec.get("groups"), path)
        elif "alert" in value:
            yield from _rule(value, path, group)


def _groups(groups: object, path: str) -> Iterator[Rule | Problem]:
    for group in groups if isinstance(groups, list) else []:
        if not isinstance(group, Mapping):
            continue
        name = str(group["name"]) if group.get("name") else None
        rules = group.get("rules")
        if isinstance(rules, list):
            yield from _find(rules, path, name)
        else:
            yield _problem(group, path, f"the group {name!r} has no `rules`")


def _rule(rule: Mapping[object, object], path: str, group: str | None) -> Iterator[Rule | Problem]:
    found = Rule(group, rule)
    if not found.text("alert"):
        yield _problem(rule, path, "an alerting rule without a name in `alert`")
    elif not found.text("expr"):
        yield _problem(rule, path, f"the alert {found.text('alert')!r} has no `expr`")
    else:
        yield found


def _problem(value: Mapping[object, object], path: str, reason: str) -> Problem:
    line = value.line if isinstance(value, LocatedMapping) else None
    return Problem(path=path, line=line, reason=reason, affects=path)
