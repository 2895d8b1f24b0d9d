"""What documents, labels and models say is text on the page, whatever it looks like."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page

from service.reports.model import Report
from service.store import StoredReport
from tests.service.surfaces.web.conftest import Site, keep

pytestmark = pytest.mark.slow

PLANTED = """<img src=x onerror="window.ran=1"><script>window.ran=1</script>"""
ADDRESS = "javascript:window.ran=1"


def planted(value: Any) -> Any:
    """The model with every free text hostile, and every address a script."""
    free = {"question", "reason", "text", "title", "component", "name", "query", "quote", "writer"}
    lists = {"headings", "tags", "not_seen", "services", "regions", "customers"}
    if isinstance(value, list):
        return [planted(item) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, item in value.items():
        if key == "url":
            changed[key] = ADDRESS
        elif key == "labels":
            changed[key] = {PLANTED: PLANTED}
        elif key in free and isinstance(item, str):
            changed[key] = f"{PLANTED} {item}"
        elif key in lists and isinstance(item, list) and all(isinstance(i, str) for i in item):
            changed[key] = [*item, PLANTED]
        else:
            changed[key] = planted(item)
    return changed


def test_nothing_that_is_planted_in_a_report_runs_or_becomes_a_link(
    page: Page, site: Site, report: StoredReport
) -> None:
    assert isinstance(report.answer, Report)
    hostile = Report.model_validate(planted(report.answer.model_dump(mode="json")))
    stored = keep(site, hostile)
    page.goto(f"/#/reports/{stored.id}")
    page.locator(".cause").first.wait_for()
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    kinds = set()
    for citation in hostile.citations:
        if citation.type not in kinds:
            kinds.add(citation.type)
            page.get_by_role(
                "button", name=re.compile(rf"^Source {citation.number},")
            ).first.click()
            page.locator(".card").wait_for()
            page.wait_for_timeout(200)
            assert nothing_ran(page)
            page.keyboard.press("Escape")
    assert kinds == {"passage", "metric", "alert", "change"}
    page.goto("/#/reports")
    page.locator(".reports li").first.wait_for()
    assert nothing_ran(page)
    assert PLANTED in page.locator(".reports").inner_text()


def nothing_ran(page: Page) -> bool:
    return bool(
        page.evaluate(
            """() => window.ran === undefined
              && document.querySelectorAll("#view img, #view script, #view iframe").length === 0
              && [...document.querySelectorAll("a")]
                .every((a) => /^(https?:|#)/.test(a.getAttribute("href")))
              && document.body.innerText.includes("<img src=x onerror=")"""
        )
    )
