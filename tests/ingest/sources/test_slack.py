import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from ingest.documents import EVERYONE, SourceKind, ThreadFacts
from tests.ingest.sources.reading import errors, read, read_one, write

BASE = "https://kestrel.slack.com"
START = 1781791200  # 2026-06-18 14:00 UTC


def ts(minutes: float) -> str:
    return f"{START + int(minutes * 60)}.000100"


def said(minutes: float, text: str, **fields: object) -> dict[str, object]:
    return {"type": "message", "user": "U1", "text": text, "ts": ts(minutes), **fields}


def export(
    days: dict[str, list[dict[str, object]]], **listings: list[dict[str, object]]
) -> dict[str, str | bytes]:
    """The files of an export with the channels #incidents and #sre."""
    lists: dict[str, object] = {
        "users": [
            {"id": "U1", "name": "mira", "real_name": "Mira Okafor", "profile": {}},
            {"id": "U2", "name": "jonas", "profile": {"real_name": "Jonas Weidt"}},
            {"id": "UB", "name": "deploybot", "is_bot": True, "profile": {}},
        ],
        "channels": [{"id": "C1", "name": "incidents"}],
        **listings,
    }
    files: dict[str, str | bytes] = {f"{name}.json": json.dumps(v) for name, v in lists.items()}
    return files | {f"{day}.json": json.dumps(messages) for day, messages in days.items()}


def test_a_thread_is_one_document_with_author_time_and_permalink(tmp_path: Path) -> None:
    parent = said(0, "Auth is slow.", thread_ts=ts(0), reply_count=1)
    reply = said(9, "Connections at 4000.", thread_ts=ts(0), user="U2")
    write(tmp_path, export({"incidents/2026-06-18": [parent], "incidents/2026-06-19": [reply]}))

    document = read_one(SourceKind.SLACK, tmp_path, BASE)

    assert document.text == (
        "Mira Okafor (2026-06-18 14:00 UTC): Auth is slow.\n\n"
        "Jonas Weidt (2026-06-18 14:09 UTC): Connections at 4000."
    )
    assert document.title == "#incidents: Auth is slow."
    assert document.url == f"{BASE}/archives/C1/p1781791200000100"
    assert document.sections[1].url == (
        f"{BASE}/archives/C1/p1781791740000100?thread_ts=1781791200.000100&cid=C1"
    )
    assert document.origin == "incidents/2026-06-18.json#1781791200.000100"
    assert document.written_at == datetime(2026, 6, 18, 14, 9, 0, 100, tzinfo=UTC)
    assert document.facts == ThreadFacts(
        channel="incidents",
        authors=("Mira Okafor", "Jonas Weidt"),
        started=datetime(2026, 6, 18, 14, 0, 0, 100, tzinfo=UTC),
        ended=datetime(2026, 6, 18, 14, 9, 0, 100, tzinfo=UTC),
    )


def test_talk_outside_of_threads_is_split_by_silence_and_bounded(tmp_path: Path) -> None:
    talk = [said(0, "One."), said(29, "Two."), said(60, "Three."), said(61, "word " * 1500)]
    write(tmp_path, export({"incidents/2026-06-18": [*talk, said(62, "Five.")]}))

    documents, problems = read(SourceKind.SLACK, tmp_path)

    assert problems == []
    assert [len(document.sections) for document in documents] == [2, 2, 1]
    assert documents[0].url is None


def test_joins_and_bots_are_left_out_unless_people_answer(tmp_path: Path) -> None:
    bot = {"subtype": "bot_message", "bot_id": "B1", "username": "alertmanager-bot"}
    alert = {"title": "[FIRING] AuthSlow", "fields": [{"title": "region", "value": "eu-west"}]}
    fired = said(5, "", attachments=[alert], thread_ts=ts(5), reply_count=1, **bot) | {"user": None}
    alone = said(50, "deployed", thread_ts=ts(50), reply_count=1, user="UB")
    write(
        tmp_path,
        export(
            {
                "incidents/2026-06-18": [
                    said(1, "<@U1> has joined the channel", subtype="channel_join"),
                    said(2, "topic", subtype="channel_topic"),
                    said(3, "deployed 4.2", user="UB", bot_id="B2"),
                    said(4, "Reminder: stand-up", user="USLACKBOT"),
                    fired,
                    said(6, "Looking.", thread_ts=ts(5)),
                    alone,
                    said(51, "done", thread_ts=ts(50), user="UB"),
                ]
            }
        ),
    )

    document = read_one(SourceKind.SLACK, tmp_path)

    assert document.text == (
        "alertmanager-bot (2026-06-18 14:05 UTC): [FIRING] AuthSlow\nregion: eu-west\n\n"
        "Mira Okafor (2026-06-18 14:06 UTC): Looking."
    )


def test_mentions_channels_links_and_files_are_named(tmp_path: Path) -> None:
    text = (
        "<@U2> and <@U9|olga>: see <#C1>, <#G1|sec-response>, <https://a.example/x|the page> &amp; "
        "<https://b.example> &lt;now&gt; <!here> <!subteam^S1|@sre> <mailto:a@b.example>"
    )
    files = [{"name": "graph.png", "url_private": "https://files.slack.com/x?t=token"}]
    write(
        tmp_path,
        export(
            {"incidents/2026-06-18": [said(0, text, files=files)]},
            groups=[{"id": "G1", "name": "sec-response"}],
        ),
    )

    (document,), _ = read(SourceKind.SLACK, tmp_path)

    assert document.text == (
        "Mira Okafor (2026-06-18 14:00 UTC): @Jonas Weidt and @olga: see #incidents, "
        "#private-channel, the page (https://a.example/x) & https://b.example <now> @here @sre "
        "a@b.example\n[file: graph.png]"
    )


def test_an_edited_message_has_its_final_text_and_is_not_known_before(tmp_path: Path) -> None:
    write(
        tmp_path,
        export(
            {
                "incidents/2026-06-18": [
                    said(0, "It was billing.", edited={"user": "U1", "ts": ts(120)}),
                    said(1, "teh typo, fixed", edited={"user": "U1", "ts": ts(1.2)}),
                    said(2, "gone"),
                    {"type": "message", "subtype": "message_deleted", "deleted_ts": ts(2)},
                ]
            }
        ),
    )

    document = read_one(SourceKind.SLACK, tmp_path)

    assert document.sections[0].text == (
        "Mira Okafor (2026-06-18 14:00 UTC, edited 2026-06-18 16:00 UTC): It was billing."
    )
    assert document.sections[0].written_at == datetime(2026, 6, 18, 16, 0, 0, 100, tzinfo=UTC)
    assert document.sections[1].text.startswith("Mira Okafor (2026-06-18 14:01 UTC): ")
    assert document.written_at == datetime(2026, 6, 18, 16, 0, 0, 100, tzinfo=UTC)
    assert "gone" not in document.text


def test_private_channels_and_direct_messages_have_their_audience(tmp_path: Path) -> None:
    day = [said(0, "Between us.")]
    write(
        tmp_path,
        export(
            {f"{name}/2026-06-18": day for name in ("incidents", "sec-response", "D1", "mpdm-1")},
            groups=[{"id": "G1", "name": "sec-response"}],
            dms=[{"id": "D1", "members": ["U1", "U2"]}],
            mpims=[{"id": "G2", "name": "mpdm-1"}],
        ),
    )

    documents, problems = read(SourceKind.SLACK, tmp_path)

    assert problems == []
    assert [document.audience for document in documents] == [
        (EVERYONE,),
        ("slack:sec-response",),
        ("slack:mpdm-1",),
        ("slack:D1",),
    ]


def test_a_channel_listed_as_public_and_as_private_is_private(tmp_path: Path) -> None:
    write(
        tmp_path,
        export(
            {"incidents/2026-06-18": [said(0, "Between us.")]},
            groups=[{"id": "C1", "name": "incidents"}],
        ),
    )

    assert read_one(SourceKind.SLACK, tmp_path).audience == ("slack:incidents",)


def test_a_folder_that_nobody_listed_is_not_read(tmp_path: Path) -> None:
    day = [said(0, "Secret?")]
    write(tmp_path, export({"incidents/2026-06-18": day, "board/2026-06-18": day}))

    documents, problems = read(SourceKind.SLACK, tmp_path)

    assert [document.origin.partition("/")[0] for document in documents] == ["incidents"]
    assert [(p.path, p.affects) for p in errors(problems)] == [("board", "board/")]


def test_a_missing_day_is_noticed_by_its_thread_and_protects_what_was_read(tmp_path: Path) -> None:
    yesterday = f"{START - 86400}.000100"
    write(
        tmp_path,
        export(
            {
                "incidents/2026-06-18": [
                    said(0, "And it works.", thread_ts=yesterday),
                    said(1, "Again?", thread_ts=ts(1), reply_count=3),
                    said(2, "Yes.", thread_ts=ts(1)),
                ]
            }
        ),
    )

    documents, problems = read(SourceKind.SLACK, tmp_path)

    assert errors(problems) == []
    assert [(problem.path, problem.affects) for problem in problems] == [
        ("incidents/2026-06-17.json", "incidents/2026-06-17.json"),
        ("incidents/2026-06-18.json", f"incidents/2026-06-18.json#{ts(1)}"),
    ]
    assert [document.origin for document in documents] == [
        f"incidents/2026-06-17.json#{yesterday}",
        f"incidents/2026-06-18.json#{ts(1)}",
    ]


def test_a_broken_day_is_reported_with_its_line_and_the_others_are_read(tmp_path: Path) -> None:
    files = export({"incidents/2026-06-18": [said(0, "Fine.")]})
    write(tmp_path, {**files, "incidents/2026-06-19.json": '[\n{"type": "message",\n]'})

    documents, problems = read(SourceKind.SLACK, tmp_path)

    assert len(documents) == 1
    assert [(p.path, p.line, p.affects) for p in errors(problems)] == [
        ("incidents/2026-06-19.json", 3, "incidents/2026-06-19.json")
    ]


def test_without_readable_users_nothing_is_read_since_nobody_would_know_who_said_it(
    tmp_path: Path,
) -> None:
    files = export({"incidents/2026-06-18": [said(0, "Fine.")]})
    write(tmp_path, {**files, "users.json": "{"})

    documents, problems = read(SourceKind.SLACK, tmp_path)

    assert documents == []
    assert "" in [problem.affects for problem in errors(problems)]


def test_a_zip_reads_like_its_folder(tmp_path: Path) -> None:
    files = export({"incidents/2026-06-18": [said(0, "Fine.")]})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"Kestrel export/{name}", content)
        archive.writestr("__MACOSX/._channels.json", b"\0")
    write(tmp_path, {"folder/x": "", "export.zip": packed.getvalue()})
    write(tmp_path / "folder", files)

    assert read(SourceKind.SLACK, tmp_path / "export.zip") == read(
        SourceKind.SLACK, tmp_path / "folder"
    )


def test_a_broken_zip_is_reported(tmp_path: Path) -> None:
    write(tmp_path, {"export.zip": b"PK\3\4 not really"})

    documents, problems = read(SourceKind.SLACK, tmp_path / "export.zip")

    assert documents == []
    assert [problem.affects for problem in errors(problems)] == [""]


def test_odd_messages_do_no_harm(tmp_path: Path) -> None:
    odd: list[dict[str, object]] = [
        said(0, "Fine."),
        {"type": "message", "text": "no time"},
        {"type": "message", "user": "U1", "text": "bad time", "ts": "yesterday"},
        {"type": "message", "user": "U1", "text": None, "ts": ts(1)},
        said(2, "", blocks=[{"type": "section", "text": {"text": "In a block."}}]),
        said(3, "x", attachments="none", files="none", edited="no", reply_count="many"),
        {"type": "message", "user": "U7", "text": "A guest.", "ts": ts(4),
         "user_profile": {"real_name": "Olga"}},
    ]  # fmt: skip
    write(tmp_path, export({"incidents/2026-06-18": odd}))

    document = read_one(SourceKind.SLACK, tmp_path)

    assert [section.text.partition("): ")[2] for section in document.sections] == [
        "Fine.",
        "In a block.",
        "x",
        "A guest.",
    ]
    assert document.sections[-1].text.startswith("Olga (")
