"""Keys, scopes, rates, open access: who gets in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from service.access import Rate, ensure_may_be_open, is_loopback, origin_of
from service.settings import Settings, SettingsError
from service.store import Scope
from service.surfaces.http.app import create_app
from tests.service.surfaces.http.conftest import Api, Run

SEARCH = {"text": "redis"}
NOW = datetime(2026, 11, 12, tzinfo=UTC)


def test_without_a_key_in_use_nobody_gets_in(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key(name="leaver")
        assert (await api.client.post("/v1/search", json=SEARCH, headers=key)).status_code == 200
        await api.database.keys.revoke("leaver")
        wrong = key["Authorization"][:-3] + "xyz"
        for headers in ({}, key, {"Authorization": wrong}, {"Authorization": "Bearer why_"}):
            refused = await api.client.post("/v1/search", json=SEARCH, headers=headers)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer")
            assert refused.headers["content-type"] == "application/problem+json"

    run(test, requests_per_minute=100)


def test_a_key_is_good_for_its_scopes_alone_and_admin_for_all(run: Run) -> None:
    async def test(api: Api) -> None:
        ask, ingest = await api.key(Scope.ASK), await api.key(Scope.INGEST)
        admin = await api.key(Scope.ADMIN)
        page = {"text": "# Restart quota\n\nOne pod at a time."}
        expected = {
            "/v1/search": (SEARCH, ask, ingest),
            "/v1/documents": (page, ingest, ask),
            "/v1/sync": (None, admin, ask),
        }
        for path, (body, good, bad) in expected.items():
            refused = await api.client.post(path, json=body, headers=bad)
            assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing"), path
            for key in (good, admin):
                taken = await api.client.post(path, json=body, headers=key)
                assert taken.is_success, (path, taken.text)

    run(test)


def test_each_key_has_its_rate_and_sees_what_is_left_of_it(run: Run) -> None:
    async def test(api: Api) -> None:
        slow, other = await api.key(rate=2), await api.key(rate=2)
        left = []
        for _ in range(2):
            response = await api.client.get("/v1/reports", headers=slow)
            assert response.headers["ratelimit-policy"] == '"key";q=2;w=60'
            left.append(response.headers["ratelimit"].partition(";t=")[0])
        assert left == ['"key";r=1', '"key";r=0']
        refused = await api.client.get("/v1/reports", headers=slow)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate")
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert (await api.client.get("/v1/reports", headers=other)).status_code == 200

    run(test)


def test_an_address_that_shows_wrong_keys_has_to_wait_even_with_a_right_one(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key()
        guess = {"Authorization": "Bearer why_01kaxk2v6n3c4t8q5w9y7z0abd_guess"}
        for _ in range(10):
            assert (await api.client.get("/v1/reports", headers=guess)).status_code == 401
        for headers in (guess, key):
            waiting = await api.client.get("/v1/reports", headers=headers)
            assert (waiting.status_code, waiting.json()["code"]) == (429, "too_many_failures")

    run(test, requests_per_minute=100)


def test_open_access_is_for_this_machine_and_its_own_pages(run: Run) -> None:
    async def test(api: Api) -> None:
        asked = [
            ("http://localhost", {}, 200),
            ("http://127.0.0.1:8484", {}, 200),
            ("http://[::1]:8484", {}, 200),
            ("https://why.example.com", {"Origin": "https://why.example.com"}, 200),
            ("http://localhost", {"Origin": "http://localhost:8484"}, 200),
            ("http://rebound.example.net", {}, 421),
            ("http://localhost", {"Origin": "https://evil.example.net"}, 403),
            ("http://localhost", {"Origin": "null"}, 403),
        ]
        for url, headers, status in asked:
            response = await api.client.post(f"{url}/v1/search", json=SEARCH, headers=headers)
            assert response.status_code == status, (url, headers)
            assert "access-control-allow-origin" not in response.headers
        # What a page of another site can send without asking first is no JSON.
        plain = await api.client.post(
            "/v1/search", content=b'{"text": "redis"}', headers={"Content-Type": "text/plain"}
        )
        assert plain.status_code == 422

    run(test, open_access=True, public_url="https://why.example.com")


def test_open_access_needs_a_loopback_address(company: Settings) -> None:
    for host in ("0.0.0.0", "10.0.0.7", "why.example.com", "::"):
        settings = company.model_copy(update={"open_access": True, "host": host})
        with pytest.raises(SettingsError, match="open_access"):
            create_app(settings)
    ensure_may_be_open(company.model_copy(update={"host": "0.0.0.0"}))
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]")))


def test_a_rate_holds_in_any_span_and_says_when_it_goes_on() -> None:
    rate = Rate(timedelta(seconds=60))
    times = [NOW, NOW + timedelta(seconds=30), NOW + timedelta(seconds=59)]
    allowed = [rate.take("a", 2, at).allowed for at in times]
    assert allowed == [True, True, False]
    assert rate.look("a", 2, times[2]).wait == 1
    assert rate.take("a", 2, NOW + timedelta(seconds=60)).allowed
    assert not rate.take("a", 2, NOW + timedelta(seconds=61)).allowed
    assert rate.take("b", 2, NOW).remaining == 1


def test_a_client_with_a_whole_network_of_addresses_is_one_client() -> None:
    assert origin_of("2001:db8:1:2::7") == origin_of("2001:db8:1:2:ffff::1")
    assert origin_of("2001:db8:1:2::7") != origin_of("2001:db8:1:3::7")
    assert origin_of("192.0.2.1") != origin_of("192.0.2.2")


def test_keys_are_nowhere_in_clear(run: Run) -> None:
    async def test(api: Api) -> tuple[str, bytes]:
        key = await api.key()
        await api.client.get("/v1/reports", headers=key)
        file = api.app.state.serving.settings.database_file
        stored = b"".join(one.read_bytes() for one in file.parent.glob(f"{file.name}*"))
        return key["Authorization"], stored

    header, stored = run(test)
    secret = header.split("_", 2)[2]
    assert len(secret) > 40
    assert secret.encode() not in stored
