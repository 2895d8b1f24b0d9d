"""What belongs together: alerts, signals, Slack threads and incident records of one night."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ingest.documents import Chunk
from service.briefing.night import NightPolicy, Trouble, is_incident, returning, troubles_of
from service.briefing.written import of_the_night, records_in, threads_in
from service.causes.topology import Calls
from service.metrics.kinds import Nature
from service.metrics.observe import Observation
from service.metrics.source import Alert
from service.scope import Vocabulary
from tests.service.briefing.house import record_chunk, thread_chunk
from tests.service.causes.evidence import WINDOW, alert, at, observation, signal

POLICY = NightPolicy()
NAMES = Vocabulary(
    services=("checkout", "auth", "search", "billing", "dns"),
    regions=("eu-west", "us-east", "ap-south"),
)


def grouped(seen: Observation, written: Sequence[Chunk] = (), calls: Calls = ()) -> list[Trouble]:
    threads = threads_in(written, WINDOW)
    records = of_the_night(records_in(written), WINDOW)
    return troubles_of(seen, threads, records, vocabulary=NAMES, calls=calls, policy=POLICY)


def test_forty_alerts_of_one_failure_are_one_incident() -> None:
    alerts = [
        alert(f"Slow{n}", f"service-{n % 5}", f"02:{n:02}", f"03:{n:02}", "eu-west")
        for n in range(40)
    ]
    (only,) = grouped(observation([signal("service-1", "01:58")], alerts))
    assert len(only.alerts) == 40
    assert is_incident(only, POLICY)


def test_an_alert_that_flaps_all_night_is_one_incident() -> None:
    flapping = [
        alert("DiskFull", "auth", f"{hour:02}:00", f"{hour:02}:10", "eu-west") for hour in range(7)
    ]
    (only,) = grouped(observation(alerts=flapping))
    assert (only.started, only.ended) == (at("00:00"), at("06:10"))
    assert len(only.alerts) == 7


def test_what_has_nothing_to_do_with_each_other_stays_apart() -> None:
    hot = Alert(
        name="GpuHot",
        labels={"node": "gpu-eu-07", "cluster": "train-eu-1", "region": "eu-west"},
        started=at("02:00"),
        ended=at("02:30"),
    )
    seen = observation(
        [signal("checkout", "02:00"), signal("search", "02:05", region="us-east")],
        [hot, alert("CheckoutSlow", "checkout", "02:03", "03:00", "eu-west")],
    )
    groups = grouped(seen)
    assert sorted(trouble.components for trouble in groups) == [
        ("checkout",),
        ("gpu-eu-07",),
        ("search",),
    ]
    assert groups[0].components == ("checkout",)  # the gravest first


def test_services_that_no_call_connects_stay_apart_where_calls_are_known() -> None:
    seen = observation([signal("checkout", "02:00"), signal("billing", "02:01")])
    assert len(grouped(seen)) == 1
    calls = (("checkout", "auth"), ("billing", "orders-db"))
    assert len(grouped(seen, calls=calls)) == 2
    joined = (*calls, ("auth", "orders-db"))
    assert len(grouped(seen, calls=joined)) == 1


def test_an_alert_a_record_and_a_thread_are_each_seen_without_the_others() -> None:
    written = [
        thread_chunk("billing", ("22:10", "Jonas", "billing fails in ap-south, who knows why?")),
        record_chunk(
            "INC-9",
            "Names resolved late.",
            started=at("20:00"),
            resolved=at("20:30"),
            services=("dns",),
        ),
    ]
    seen = observation(alerts=[alert("AuthDown", "auth", "05:00", None, "us-east")])
    groups = grouped(seen, written)
    assert {trouble.components for trouble in groups} == {("auth",), ("billing",), ("dns",)}
    assert all(is_incident(trouble, POLICY) for trouble in groups)
    by_name = {trouble.components[0]: trouble for trouble in groups}
    assert by_name["auth"].ended is None
    assert by_name["dns"].ended == at("20:30")


def test_what_people_write_joins_the_incident_that_it_names() -> None:
    seen = observation(
        [signal("checkout", "02:00", "03:00")],
        [alert("CheckoutSlow", "checkout", "02:04", "03:00", "eu-west")],
    )
    written = [
        thread_chunk("sre", ("02:10", "Mira", "CheckoutSlow again, it is the database")),
        record_chunk(
            "INC-7", "CheckoutSlow paged.", started=at("02:00"), services=("checkout", "auth")
        ),
        thread_chunk("sre", ("04:30", "Mira", "INC-7 is closed")),
        thread_chunk("sre", ("02:20", "Jonas", "checkout is slow in us-east, too")),
    ]
    first, *others = grouped(seen, written)
    assert [thread.started for thread in first.threads] == [at("02:10"), at("04:30")]
    assert [record.called for record in first.records] == ["INC-7"]
    assert [trouble.region for trouble in others] == ["us-east"]  # another region: another one


def test_a_call_for_help_that_names_nothing_joins_the_only_incident_at_that_time() -> None:
    cry = [thread_chunk("incidents", ("02:10", "Mira", "I am on it, give me a minute"))]
    one = [signal("checkout", "02:00", "03:00")]
    two = [*one, signal("search", "02:00", "03:00", region="us-east")]
    (joined,) = grouped(observation(one), cry)
    assert joined.threads
    assert len(grouped(observation(two), cry)) == 3  # whose it is, nobody can tell


def test_chatter_is_no_incident() -> None:
    written = [
        thread_chunk("random", ("23:10", "Jonas", "Does somebody have a spare charger?")),
        thread_chunk("random", ("23:20", "Jonas", "My bike has an error again, and is slow")),
        thread_chunk("deploys", ("23:30", "Mira", "auth 2.1 is out in eu-west")),
    ]
    assert grouped(observation(), written) == []


def test_faint_signals_are_mentioned_and_fainter_ones_are_not() -> None:
    seen = observation(
        [signal("search", "02:00", strength=20.0), signal("dns", "05:00", strength=7.0)]
    )
    (only,) = grouped(seen)
    assert only.components == ("search",)
    assert not is_incident(only, POLICY)


def test_what_rises_again_after_the_incident_is_coming_back() -> None:
    leak = {"nature": Nature.SATURATION, "metric": "connections"}
    seen = observation(
        [
            signal("checkout", "02:00", "03:00"),
            signal("auth", "01:50", "03:00", **leak),  # type: ignore[arg-type]
            signal("auth", "04:00", None, **leak),  # type: ignore[arg-type]
            signal("dns", "04:00", None, **leak),  # type: ignore[arg-type]
        ]
    )
    (trouble,) = grouped(seen)
    assert [s.labels["service"] for s in returning(trouble, seen, POLICY)] == ["auth"]


def test_the_order_of_what_was_seen_does_not_matter() -> None:
    signals = [signal("checkout", "02:00"), signal("search", "02:00", region="us-east")]
    alerts = [
        alert("A", "checkout", "02:05", "03:00", "eu-west"),
        alert("B", "search", "02:05", "03:00", "us-east"),
    ]
    one = grouped(observation(signals, alerts))
    other = grouped(observation(signals[::-1], alerts[::-1]))
    assert one == other


def test_nobody_is_quoted_for_what_somebody_else_made_up() -> None:
    forged = (
        "look:\n\nMira Okafor (2026-11-12 02:11 UTC): I broke checkout\n\n"
        "Jonas (2026-13-45 99:99 UTC): checkout is slow"
    )
    (thread,) = threads_in([thread_chunk("sre", ("02:10", "Jonas", forged))], WINDOW)
    assert [message.author for message in thread.messages] == ["Jonas"]
    assert "I broke checkout" in thread.messages[0].text


def test_only_what_was_said_in_the_night_is_read() -> None:
    long = thread_chunk(
        "sre", ("12:00", "Mira", "checkout is slow"), ("02:10", "Jonas", "still slow")
    )
    before = long.model_copy(update={"document_id": "slack/x"})
    assert before.facts is not None
    (thread,) = threads_in([long], WINDOW)
    assert [message.at for message in thread.messages] == [at("02:10")]
    assert WINDOW.start - at("12:00") == timedelta(hours=6)
