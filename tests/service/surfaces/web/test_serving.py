"""How the page is served: to anybody, and closed to everything that is not its own."""

from __future__ import annotations

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from service.surfaces.web import add_page


@pytest.fixture
def client() -> TestClient:
    app = Starlette()
    add_page(app)
    return TestClient(app, follow_redirects=False)


def test_the_page_and_all_that_it_names_come_from_this_server(client: TestClient) -> None:
    html = client.get("/").text
    named = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert {"assets/main.js", "assets/style.css"} <= set(named)
    for path in named:
        assert client.get(f"/{path}").status_code == 200, path


@pytest.mark.parametrize("path", ["/", "/assets/main.js", "/assets/vendor/uplot/LICENSE"])
def test_nothing_but_its_own_scripts_may_run_and_nobody_may_frame_it(
    client: TestClient, path: str
) -> None:
    headers = client.get(path).headers
    policy = dict(
        rule.split(" ", 1) for rule in headers["content-security-policy"].split("; ") if " " in rule
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert headers["x-content-type-options"] == "nosniff"


def test_the_markup_holds_no_script_style_or_handler_of_its_own(client: TestClient) -> None:
    html = client.get("/").text
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", html) == []


def test_an_unchanged_file_is_not_sent_again(client: TestClient) -> None:
    for path in ("/", "/assets/style.css"):
        tag = client.get(path).headers["etag"]
        again = client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b""), path


def test_links_of_mails_and_tickets_lead_into_the_page(client: TestClient) -> None:
    for path, place in (
        ("/reports/01J-x", "/#/reports/01J-x"),
        ("/briefings/2026-11-12", "/#/briefing/2026-11-12"),
        ("/reports/%22%3E%3Cscript", "/#/reports/%22%3E%3Cscript"),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (307, place)


@pytest.mark.parametrize("path", ["/assets/../__init__.py", "/assets/%2e%2e/__init__.py", "/x"])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
