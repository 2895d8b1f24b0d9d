"""The page as a reader meets it: the real server, the sample company's bad night, Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect
from pypdf import PdfReader

from ingest.documents import EVERYONE
from service.reports.model import MetricCitation, Outcome, PassageCitation, Report
from service.settings import Settings
from service.store import Scope, StoredReport, Verdict
from service.surfaces.http.app import create_app
from tests.service.surfaces.web.conftest import (
    QUESTION,
    Site,
    answer_of,
    keep,
    site_of,
    watched,
)

pytestmark = pytest.mark.slow

UNNAMED = """() => [...document.querySelectorAll("a, button, input, figure, nav, dialog")]
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.getAttribute("aria-label") || e.innerText?.trim() || e.labels?.length))
  .map((e) => e.outerHTML.slice(0, 120))"""

FAINT = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (colour, below) => {
    canvas.fillStyle = `rgb(${below.join()})`; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const backdrop = (e) => {
    const above = e.parentElement ? backdrop(e.parentElement) : [255, 255, 255];
    return rgb(getComputedStyle(e).backgroundColor, above);
  };
  const light = (c) => c.map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const faint = [];
  for (const e of document.querySelectorAll("body *")) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!text || !e.checkVisibility({ opacityProperty: true }) || e.closest(".sr, .skip")) continue;
    const below = backdrop(e);
    const [one, other] = [rgb(getComputedStyle(e).color, below), below].map(light);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${e.className} ${e.textContent.slice(0, 40)}`);
  }
  return faint;
}"""


def of(report: StoredReport) -> Report:
    assert isinstance(report.answer, Report)
    return report.answer


def chip(page: Page, number: int) -> Locator:
    return page.get_by_role("button", name=re.compile(rf"^Source {number},")).first


def ask(page: Page, question: str) -> None:
    page.get_by_label("Question", exact=True).fill(question)
    page.keyboard.press("Enter")


# -- asking ----------------------------------------------------------------------------------------


def test_an_answer_comes_as_it_is_looked_at_and_stays_at_its_address(page: Page) -> None:
    page.evaluate(
        """() => {
          window.seen = [];
          const watch = () => {
            const done = [...document.querySelectorAll(".steps [data-state=done] .step")];
            const told = document.querySelectorAll(".told li").length;
            const state = done.map((step) => step.textContent).join("|") + (told ? "|told" : "");
            if (state && state !== window.seen.at(-1)) window.seen.push(state);
          };
          new MutationObserver(watch).observe(document.body,
            { subtree: true, childList: true, attributes: true, characterData: true });
        }"""
    )
    ask(page, QUESTION)
    expect(page.locator(".cause h3").first).to_contain_text("quota")
    seen = page.evaluate("window.seen")
    assert len(seen) >= 3  # one thing after another, not all at once
    assert seen[0].startswith("When and what")
    assert seen[-1].endswith("|told")
    assert re.search(r"#/reports/\w+$", page.url)
    expect(page.locator(".banner .title")).to_have_text(
        re.compile(r"quota \(eu-west\)\s*\d+% likely")
    )
    expect(page.locator("#status")).to_have_text("The answer is there.")
    page.reload()
    expect(page.get_by_role("heading", name=QUESTION)).to_be_visible()


def test_a_follow_up_goes_on_from_its_report(on_report: Page, report: StoredReport) -> None:
    on_report.get_by_label("Ask on from here").fill("and in us-east?")
    on_report.get_by_role("main").get_by_role("button", name="Ask").click()
    expect(on_report.locator(".about")).to_contain_text("us-east")
    expect(on_report.locator(".about")).to_contain_text("2026-11-11 18:00")
    earlier = on_report.get_by_role("link", name="Goes on from an earlier report")
    expect(earlier).to_have_attribute("href", f"#/reports/{report.id}")


def test_what_cannot_be_read_is_said_and_a_broken_connection_can_be_tried_again(
    page: Page,
) -> None:
    page.get_by_text("Time", exact=True).click()
    page.get_by_label("Since").fill("half past never")
    ask(page, QUESTION)
    expect(page.locator(".banner.wrong")).to_contain_text("half past never")

    def cut(route: Route) -> None:
        route.fulfill(status=200, content_type="text/event-stream", body=": ok\n\nevent: scope\n")

    page.route("**/v1/ask", cut)
    ask(page, QUESTION)
    expect(page.locator(".banner.wrong")).to_contain_text("The connection broke off")
    page.unroute("**/v1/ask", cut)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".cause h3").first).to_contain_text("quota")


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("Show me checkout latency p99 by region last night", ".plotted canvas"),
        ("Which clusters need maintenance?", ".cause h3:has-text('train-eu-1')"),
        ("Is run aurelia-70b-ft-12 healthy?", ".verdict.healthy"),
    ],
)
def test_questions_of_other_kinds_have_their_own_faces(
    page: Page, question: str, shown: str
) -> None:
    ask(page, question)
    expect(page.locator(shown).first).to_be_visible()
    expect(page.get_by_role("heading", name=question)).to_be_visible()


# -- citations -------------------------------------------------------------------------------------


def test_pointing_at_a_citation_shows_the_quoted_span_in_its_passage(
    on_report: Page, report: StoredReport
) -> None:
    citation = next(
        one
        for cause in of(report).causes[:1]
        for claim in cause.evidence
        for one in of(report).citations
        if isinstance(one, PassageCitation) and one.url and one.number in claim.citations
    )
    chip(on_report, citation.number).hover()
    card = on_report.locator(".card")
    expect(card.locator("mark")).to_have_text(citation.quote)
    expect(card.locator(".note", has_text="Reading")).to_have_count(0)
    shown = card.locator(".excerpt").text_content() or ""
    assert citation.quote in shown
    assert len(shown) > len(citation.quote)
    link = card.get_by_role("link", name=citation.title)
    expect(link).to_have_attribute("href", citation.url or "")
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    assert citation.written_at is not None
    expect(card).to_contain_text(f"{citation.written_at:%Y-%m-%d}")
    # The pointer may move onto the card to read on; away from both, it closes.
    card.hover()
    on_report.wait_for_timeout(400)
    expect(card).to_be_visible()
    on_report.mouse.move(2, 2)
    expect(card).to_have_count(0)


def test_a_metric_shows_its_query_and_the_samples_that_the_sentence_says(
    on_report: Page, report: StoredReport
) -> None:
    citation = next(one for one in of(report).citations if isinstance(one, MetricCitation))
    chip(on_report, citation.number).click()
    card = on_report.locator(".card")
    expect(card.locator(".query code")).to_have_text(citation.query)
    expect(card.locator("tbody tr")).to_have_count(len(citation.samples))
    expect(card.locator("tbody tr").nth(1)).to_contain_text("01:40")
    expect(card.locator("tbody tr").nth(1)).to_contain_text("1,118")
    expect(card.locator("svg circle")).to_have_count(len(citation.samples))


def test_citations_are_read_by_keyboard_alone(on_report: Page) -> None:
    on_report.get_by_role("heading", level=1).focus()
    card = on_report.locator(".card")
    chips = on_report.locator(".lead button.chip")
    for n in range(2):  # focus is enough to read, and Tab goes on to the next one
        on_report.keyboard.press("Tab")
        expect(chips.nth(n)).to_be_focused()
        expect(card).to_contain_text(f"{n + 1} · ")
    on_report.keyboard.press("Enter")
    expect(card).to_be_focused()
    on_report.keyboard.press("Tab")
    expect(card.get_by_role("button", name="Close")).to_be_focused()
    on_report.keyboard.press("Escape")
    expect(card).to_have_count(0)
    expect(chips.nth(1)).to_be_focused()


def test_a_tap_opens_a_citation_as_a_sheet(
    browser: Browser, site: Site, report: StoredReport
) -> None:
    phone = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, base_url=site.url
    )
    with phone, watched(phone) as page:
        page.goto(f"/#/reports/{report.id}")
        page.locator(".lead button.chip").first.tap()
        box = page.locator(".card").bounding_box()
        assert box is not None
        assert (box["x"], box["width"]) == (0, 360)
        assert round(box["y"] + box["height"]) == 740
        page.get_by_role("button", name="Close").tap()
        expect(page.locator(".card")).to_have_count(0)


# -- charts, rank, timeline ------------------------------------------------------------------------


def test_charts_are_drawn_and_told_in_words_and_numbers(
    on_report: Page, report: StoredReport
) -> None:
    figures = on_report.locator(".plotted")
    expect(figures).to_have_count(len(of(report).charts))
    second = figures.nth(1)
    drawn = second.locator("canvas").evaluate(
        """canvas => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )
    assert drawn > 10  # colours: a line, a grid, marks and their edges
    expect(second.locator(".words")).to_contain_text("4,256 at 02:46")
    expect(second.locator(".words")).to_contain_text("Leaves its baseline at 01:40 and 03:48.")
    second.get_by_text("Values").click()
    expect(second.locator("tbody tr")).to_have_count(len(of(report).charts[1].points))


def test_why_a_cause_stands_where_it_stands_is_told_in_parts(
    on_report: Page, report: StoredReport
) -> None:
    cause = of(report).causes[0]
    why = on_report.locator(".why").first
    why.get_by_text("Why this rank").click()
    parts = [float(text) for text in why.locator("td.figure").all_text_contents()]
    assert parts == [
        round(value, 2)
        for value in (
            cause.parts.metrics,
            cause.parts.onset,
            cause.parts.change,
            cause.parts.knowledge,
        )
    ]
    times = on_report.locator(".timeline time").all_text_contents()
    assert len(times) == len(of(report).timeline)
    assert times == sorted(times)


# -- what a report may be --------------------------------------------------------------------------


@pytest.fixture
def unseeing(web_settings: Settings) -> Iterator[Site]:
    """A server without metrics, that keeps its reports where the other one does."""
    blind = web_settings.model_copy(update={"metrics_file": None, "annotations_file": None})
    with site_of(create_app(blind)) as running:
        yield running


def test_quiet_unsupported_and_unseen_look_different(
    page: Page, site: Site, unseeing: Site
) -> None:
    question = "Why did payments fail last night?"
    quiet = answer_of(site, question)
    unsupported = of(quiet).model_copy(update={"outcome": Outcome.NO_CAUSE_SUPPORTED})
    looks = []
    for stored, words in (
        (quiet, "No incident visible"),
        (keep(site, unsupported), "No cause is supported"),
        (answer_of(unseeing, question), "I can't see the metrics"),
    ):
        page.goto(f"/#/reports/{stored.id}")
        banner = page.locator(".banner")
        expect(banner).to_contain_text(words)
        looks.append(
            banner.evaluate(
                "e => { const s = getComputedStyle(e);"
                " return [s.backgroundColor, s.borderTopStyle, e.innerText[0]].join(); }"
            )
        )
    assert len(set(looks)) == 3


def test_what_was_not_seen_and_what_was_removed_is_said(
    page: Page, site: Site, report: StoredReport
) -> None:
    answer = of(report).model_copy(
        update={"dropped_claims": 2, "not_seen": ("query refused: too many points",)}
    )
    page.goto(f"/#/reports/{keep(site, answer).id}")
    block = page.locator(".missing")
    expect(block).to_contain_text("query refused: too many points")
    expect(block).to_contain_text("2 sentences were removed")


# -- feedback, lists, index ------------------------------------------------------------------------


def test_feedback_is_kept_and_the_later_word_counts(
    on_report: Page, site: Site, report: StoredReport
) -> None:
    on_report.get_by_role("button", name="Not this").first.click()
    on_report.get_by_role("button", name="Confirm this cause").first.click()
    on_report.get_by_role("button", name="Helpful", exact=True).click()
    for name in ("Confirm this cause", "Helpful"):
        button = on_report.get_by_role("button", name=name).first
        expect(button).to_have_attribute("aria-pressed", "true")
    entries = site.do(lambda serving: serving.database.feedback.of(report.id))
    said = {(one.component, one.verdict) for one in entries}
    assert said == {("quota", Verdict.CONFIRM), (None, Verdict.UP)}
    on_report.reload()
    again = on_report.get_by_role("button", name="Confirm this cause").first
    expect(again).to_have_attribute("aria-pressed", "true")


def test_an_issue_is_proposed_in_full_and_made_only_after_a_yes(
    on_report: Page, site: Site, report: StoredReport
) -> None:
    on_report.get_by_role("button", name="Propose a Jira issue").click()
    proposal = on_report.locator(".proposal")
    expect(proposal).to_contain_text("nothing happens until somebody approves it")
    (proposed,) = site.do(lambda serving: serving.database.actions.list(report_id=report.id))
    assert proposed.state == "proposed"
    for value in proposed.payload.values():
        if value != proposed.kind:
            shown = proposal.locator("dd", has_text=str(value).splitlines()[0]).first
            assert shown.text_content() == value
    proposal.get_by_role("button", name="Approve (dry run").click()
    expect(proposal).to_contain_text("nothing was created")
    expect(proposal.get_by_role("button")).to_have_count(0)
    decided = site.do(lambda serving: serving.database.actions.get(proposed.id))
    assert decided is not None
    assert (decided.state, decided.decided_by) == ("dry_run", "open")


def test_past_reports_are_read_page_by_page(page: Page, site: Site, report: StoredReport) -> None:
    kept = [keep(site, of(report).model_copy(update={"question": f"no. {n}"})) for n in range(30)]
    page.goto("/#/reports")
    rows = page.locator(".reports li")
    expect(rows).to_have_count(25)
    expect(rows.first).to_contain_text("no. 29")
    page.get_by_role("button", name="Older reports").click()
    expect(rows.nth(25)).to_be_visible()
    expect(rows.nth(25).get_by_role("link")).to_be_focused()
    questions = page.locator(".reports a").all_text_contents()
    assert questions[:30] == [f"no. {n}" for n in reversed(range(30))]
    page.get_by_role("link", name="no. 3", exact=True).click()
    expect(page).to_have_url(re.compile(kept[3].id))


def test_the_index_and_what_answers_depend_on_are_shown(page: Page, site: Site) -> None:
    state = site.do(lambda serving: serving.workspace.index_state((EVERYONE,)))
    page.get_by_role("link", name=re.compile("Dependencies")).click()
    for name in ("index", "metrics", "database"):
        expect(page.get_by_role("row", name=re.compile(rf"^{name} ✓ there"))).to_be_visible()
    expect(page.locator(".big")).to_have_text(f"{state.chunks}")
    expect(
        page.get_by_role("row", name=re.compile(f"^runbooks {state.kinds['runbooks']}"))
    ).to_have_count(2)


def test_the_briefing_of_a_morning_is_read_on_the_page(page: Page) -> None:
    page.goto("/#/briefing/2026-11-12")
    expect(page.locator(".incident").first).to_contain_text("quota", timeout=60_000)
    expect(page.locator(".banner")).to_contain_text("incident")
    page.locator(".banner button.chip").first.click()
    expect(page.locator(".card")).to_be_visible()


def test_what_is_not_there_is_said(page: Page) -> None:
    page.goto("/#/reports/r_nothing")
    expect(page.get_by_role("heading", name="Not there")).to_be_visible()
    expect(page.locator(".banner.wrong")).to_contain_text("r_nothing")


# -- everyone can read it --------------------------------------------------------------------------


def test_the_page_works_by_keyboard(on_report: Page) -> None:
    page = on_report
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    expect(page.get_by_label("Question", exact=True)).to_be_focused()
    page.keyboard.type("a/b")
    expect(page.get_by_label("Question", exact=True)).to_have_value("a/b")
    page.reload()
    page.get_by_role("heading", name=QUESTION).wait_for()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the answer")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#view")).to_be_focused()
    expect(page.get_by_role("heading", name=QUESTION)).to_be_visible()
    ring = page.locator(".cause > summary").nth(1)
    ring.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".cause").nth(1)).to_have_attribute("open", "")
    assert ring.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"


VIEWS = ("#/", "#/reports", "#/index", "#/briefing/2026-11-12", "report", "#/reports/r_nothing")


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1280)])
def test_every_view_is_legible_named_and_no_wider_than_the_window(
    browser: Browser, site: Site, report: StoredReport, scheme: str, width: int
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        base_url=site.url,
    )
    with context, watched(context) as page:
        for view in VIEWS:
            page.goto(f"/{f'#/reports/{report.id}' if view == 'report' else view}")
            page.get_by_role("heading", level=1).wait_for(timeout=60_000)
            page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
            page.wait_for_timeout(100)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
            assert page.evaluate(UNNAMED) == [], view
            assert page.evaluate(FAINT) == [], view


def test_on_paper_everything_is_open_and_the_rest_is_gone(
    on_report: Page, report: StoredReport
) -> None:
    paper = PdfReader(BytesIO(on_report.pdf()))
    text = " ".join(" ".join(page.extract_text() for page in paper.pages).split())
    for cause in of(report).causes:
        assert cause.component in text
    assert f"Sources ({len(of(report).citations)})" in text
    assert "https://wiki.kestrel.example/runbooks/rollback-a-deploy" in text
    assert "Ask on from here" not in text
    assert "Confirm this cause" not in text


# -- keys ------------------------------------------------------------------------------------------


@pytest.fixture
def locked(web_settings: Settings) -> Iterator[Site]:
    """A server that answers only to those who have a key."""
    with site_of(create_app(web_settings.model_copy(update={"open_access": False}))) as running:
        yield running


def test_a_key_is_asked_for_when_the_server_wants_one_and_kept_for_the_tab(
    context: BrowserContext, locked: Site
) -> None:
    made = locked.do(
        lambda serving: serving.database.keys.create(
            "reader", scopes=(Scope.ASK,), audience=("everyone",)
        )
    )
    with watched(context) as page:
        page.goto(f"{locked.url}/#/reports")
        dialog = page.get_by_role("dialog", name="API key")
        dialog.get_by_label("This server answers").fill("why_wrong_key")
        dialog.get_by_role("button", name="Use this key").click()
        expect(dialog).to_contain_text("did not accept")
        dialog.get_by_label("This server answers").fill(made.clear)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Past reports")).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="Past reports")).to_be_visible()
        expect(dialog).to_have_count(0)
        assert page.evaluate("localStorage.length") == 0
        assert made.clear not in page.url
    with watched(context) as other:
        other.goto(f"{locked.url}/#/reports")
        other.get_by_role("dialog", name="API key").get_by_role("button", name="Cancel").click()
        expect(other.locator(".banner.wrong")).to_contain_text("wants an API key")
