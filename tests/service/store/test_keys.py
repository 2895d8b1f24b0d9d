"""API keys: shown once, kept as a hash, and gone when revoked."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.settings import Settings
from service.store import Conflict, Database, NotFound, Scope
from tests.service.store.stories import NIGHT, Clock, tell


def test_a_key_is_known_by_what_was_shown_once(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        key, clear = await database.keys.create(
            "ci", scopes=[Scope.ASK], audience=["sre", "everyone"], rate_per_minute=30
        )
        assert clear.startswith(f"why_{key.id}_")
        assert key.audience == ("everyone", "sre")
        assert await database.keys.check(clear) == key
        assert key.may(Scope.ASK)
        assert not key.may(Scope.INGEST)
        assert not key.may(Scope.ADMIN)

        clock.pass_by(seconds=1)
        admin, _ = await database.keys.create("root", scopes=[Scope.ADMIN], audience=[])
        assert admin.may(Scope.ASK)
        assert [kept.name for kept in await database.keys.list()] == ["ci", "root"]

    tell(settings, clock, story)


def test_the_secret_is_nowhere_in_the_database(tmp_path: Path, clock: Clock) -> None:
    settings = Settings(database_file=tmp_path / "why.db")
    secrets = []

    async def story(database: Database) -> None:
        _, clear = await database.keys.create("ci", scopes=[Scope.ASK], audience=["everyone"])
        secrets.append(clear.split("_", 2)[2])

    tell(settings, clock, story)
    assert len(secrets[0]) == 43  # 256 bits
    for file in tmp_path.iterdir():
        assert secrets[0].encode() not in file.read_bytes()


def test_anything_else_is_no_key(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        key, clear = await database.keys.create("ci", scopes=[Scope.ASK], audience=["everyone"])
        other, _ = await database.keys.create("cd", scopes=[Scope.ADMIN], audience=["everyone"])
        secret = clear.split("_", 2)[2]
        changed = "A" if secret[0] != "A" else "B"
        for wrong in (
            "",
            "why",
            f"why_{key.id}",
            f"why_{key.id}_",
            f"why_{key.id}_{changed}{secret[1:]}",
            f"why_{other.id}_{secret}",
            f"hmm_{key.id}_{secret}",
            f"why_{key.id}_{secret}x",
            f"why_{key.id}_{secret}é",
            f"why_\0_{secret}",
        ):
            assert await database.keys.check(wrong) is None, wrong

    tell(settings, clock, story)


def test_a_revoked_key_opens_nothing_and_its_name_is_free_again(
    settings: Settings, clock: Clock
) -> None:
    async def story(database: Database) -> None:
        key, clear = await database.keys.create("ci", scopes=[Scope.ASK], audience=["everyone"])
        with pytest.raises(Conflict, match="'ci' already"):
            await database.keys.create("ci", scopes=[Scope.ASK], audience=["everyone"])

        clock.pass_by(days=1)
        assert (await database.keys.revoke("ci")).revoked_at == clock.now
        assert await database.keys.check(clear) is None
        with pytest.raises(NotFound, match="'ci'"):
            await database.keys.revoke("ci")

        second, _ = await database.keys.create("ci", scopes=[Scope.ASK], audience=["everyone"])
        await database.keys.revoke(second.id)
        assert [kept.id for kept in await database.keys.list()] == [key.id, second.id]

    tell(settings, clock, story)


def test_when_a_key_was_last_used_is_kept_to_the_minute(settings: Settings, clock: Clock) -> None:
    async def story(database: Database) -> None:
        _, clear = await database.keys.create("ci", scopes=[Scope.ASK], audience=["everyone"])

        async def last_used_after(seconds: float) -> float:
            clock.pass_by(seconds=seconds)
            await database.keys.check(clear)
            (kept,) = await database.keys.list()
            assert kept.last_used is not None
            return (kept.last_used - NIGHT).total_seconds()

        assert await last_used_after(10) == 10
        assert await last_used_after(50) == 10
        assert await last_used_after(10) == 70

    tell(settings, clock, story)
