"""`syncline trace` on real files: what it finds, follows and lists, and what it makes of damage."""

from __future__ import annotations

import json
import os
import re
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from syncline.cli.traces import listing, story
from syncline.cli.traces.files import TraceFiles
from syncline.cli.traces.listing import newest_traces
from syncline.cli.traces.story import read_story
from syncline.data.span_lines import SpanEvent, SpanLine, SpanLink, encode_span_line
from syncline.telemetry.file_exporter import FileSpanExporter
from tests.cli.conftest import Syncline
from tests.harness.spans import recorded_spans
from tests.replica.serving import number_notes, served_store, write_notes

MS = 1_000_000
T0 = 1_790_000_000_000 * MS
REQUEST, DEVICE, OTHER = (digit * 32 for digit in "1de")


def span(
    trace_id: str, number: int, parent: int | None, name: str, start_ms: int, end_ms: int, service: str
) -> SpanLine:
    parent_id = None if parent is None else f"{parent:016x}"
    return SpanLine(
        trace_id, f"{number:016x}", parent_id, name, "internal", T0 + start_ms * MS, T0 + end_ms * MS, service
    )


# A request's run writes what a device then reads; somebody else's work links to that.
STORY = (
    span(REQUEST, 3, 2, "store.write_rows", 30, 70, "worker"),
    replace(
        span(REQUEST, 2, 1, "batch", 20, 160, "worker"),
        status="error",
        attributes={"syncline.rows": 5, "rpc.grpc.status_code": 0},
        events=(
            SpanEvent("lease lost", T0 + 40 * MS, {"syncline.attempt": 2}),
            SpanEvent("exception", T0 + 41 * MS, {"exception.type": "LeaseLost", "exception.message": "was too late"}),
        ),
    ),
    span(REQUEST, 1, None, "run", 0, 200, "worker"),
    replace(span(DEVICE, 12, 11, "page", 310, 320, "server"), links=(SpanLink(REQUEST, f"{2:016x}"),) * 2),
    span(DEVICE, 11, 10, "ReadQueue", 305, 330, "server"),
    span(DEVICE, 10, None, "sync", 300, 350, "cli"),
    replace(span(OTHER, 20, None, "other", 900, 901, "cli"), links=(SpanLink(DEVICE, f"{10:016x}"),)),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "traces.jsonl", STORY)


def write(file: Path, spans: Iterable[SpanLine]) -> Path:
    with file.open("ab") as to:
        to.writelines(map(encode_span_line, spans))
    return file


def test_a_trace_is_a_waterfall_with_its_links_followed_both_ways(file: Path, syncline: Syncline) -> None:
    shown = syncline("trace", DEVICE[:4], "--file", file)
    assert (shown.status, shown.stderr) == (0, "")
    title, facts, *lines = shown.stdout.splitlines()
    assert title == f"trace {DEVICE}"
    assert facts.endswith("50.0 ms  3 spans  cli, server")
    short_request, short_device, short_other = REQUEST[:16], DEVICE[:16], OTHER[:16]
    assert [line.rstrip("█ ") for line in lines[:3]] == [
        "sync        cli      50.0 ms",
        "└ ReadQueue server   25.0 ms",
        "  └ page    server   10.0 ms",
    ]
    at = lines.index(f"→ page of {short_device} links to batch of {short_request} (2 links)")
    assert lines[at + 1] == f"trace {REQUEST}"
    assert lines[at + 2].endswith("200.0 ms  3 spans  worker  1 error")
    assert [line.rstrip("█ ") for line in lines[at + 3 : at + 9]] == [
        "run                  worker  200.0 ms",
        "└ batch              worker  140.0 ms",
        "  │ rows=5",
        "  │ +20.0 ms lease lost  attempt=2",
        "  │ ✗ LeaseLost: was too late",
        "  └ store.write_rows worker   40.0 ms",
    ]
    assert f"← other of {short_other} links to {short_device}" in lines
    assert f"trace {OTHER}" in lines


def test_bars_stand_where_the_spans_did(file: Path, syncline: Syncline) -> None:
    shown = syncline("trace", REQUEST, "--file", file, "--follow", "0").stdout.splitlines()
    run, batch, store = (line[38:] for line in shown if "█" in line)
    assert run == "█" * 60
    assert batch == " " * 6 + "█" * 42
    assert store == " " * 9 + "█" * 12
    assert shown[-1] == f"← page of {DEVICE[:16]} links to {REQUEST[:16]} (2 links) (not followed)"


def test_following_goes_as_far_as_asked_and_ends_in_circles(file: Path, syncline: Syncline) -> None:
    def traces(follow: int) -> list[str]:
        shown = syncline("trace", REQUEST, "--follow", follow, "--file", file).stdout
        return [line.removeprefix("trace ")[0] for line in shown.splitlines() if line.startswith("trace ")]

    assert [traces(follow) for follow in range(4)] == [["1"], ["1", "d"], ["1", "d", "e"], ["1", "d", "e"]]
    circle = replace(span(REQUEST, 4, 1, "back", 1, 2, "worker"), links=(SpanLink(OTHER, f"{20:016x}"),))
    write(file, [circle])
    assert sorted(traces(10)) == ["1", "d", "e"]


def test_a_linked_trace_that_is_not_in_the_file_is_named(tmp_path: Path, syncline: Syncline) -> None:
    file = write(tmp_path / "traces.jsonl", STORY[3:6])
    shown = syncline("trace", DEVICE, "--follow", 2, "--file", file).stdout.splitlines()
    assert shown[-1] == f"→ page of {DEVICE[:16]} links to {REQUEST[:16]} (2 links) (not in the file)"


def test_json_has_the_trees_and_the_links(file: Path, syncline: Syncline) -> None:
    document = json.loads(syncline("trace", DEVICE, "--file", file, "--json").stdout)
    assert [(each["trace_id"], each["distance"]) for each in document["traces"]] == [
        (DEVICE, 0),
        (REQUEST, 1),
        (OTHER, 1),
    ]
    (root,) = document["traces"][0]["spans"]
    assert (root["name"], root["children"][0]["children"][0]["name"]) == ("sync", "page")
    assert [(link["from_trace_id"], link["to_trace_id"], link["count"]) for link in document["links"]] == [
        (DEVICE, REQUEST, 2),
        (OTHER, DEVICE, 1),
    ]


def test_the_newest_are_listed_first(file: Path, syncline: Syncline) -> None:
    write(file, [replace(span("a" * 32, 31, 30, "unfinished", 2_000, 2_001, "server"))])
    rows = syncline("trace", "--file", file).stdout.splitlines()[3:-1]
    assert [row.strip("│").split("│")[0].strip() for row in rows] == [digit * 16 for digit in "aed1"]
    assert "unfinished (root not ended)" in rows[0]
    assert "cli, server │  50.0 ms │     3 │        │" in rows[2]
    assert "worker      │ 200.0 ms │     3 │      1 │" in rows[3]
    two = json.loads(syncline("trace", "--last", "2", "--file", file, "--json").stdout)
    assert [(each["root"], each["complete"]) for each in two] == [("unfinished", False), ("other", True)]


def test_last_is_the_newest_whose_root_has_ended(file: Path, syncline: Syncline) -> None:
    unfinished = span("a" * 32, 31, 30, "unfinished", 2_000, 2_001, "server")
    write(file, [unfinished])
    assert syncline("trace", "--last", "--file", file).stdout.startswith(f"trace {OTHER}\n")
    alone = write(file.with_name("alone"), [unfinished])
    shown = syncline("trace", "--last", "--file", alone).stdout
    assert shown.startswith("trace aaaa")
    assert "unfinished (its parent is not in the file)" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("trace", "2"), "no trace of the file begins with 2"),
        (("trace", "2" * 32), "no trace of the file begins with 2"),
        (("trace", "xyz"), "is no beginning of an id"),
        (("trace", "1" * 33), "is no beginning of an id"),
        (("trace", ""), "is no beginning of an id"),
        (("trace", "ab"), f"several traces begin so: {'ab' * 16}, {'abcd' * 8}"),
        (("trace", "--last", "0"), "a number from 1 to"),
        (("trace", "--last", "abc"), "a number from 1 to"),
    ],
)
def test_what_cannot_be_shown_is_said(words: tuple[str, ...], message: str, file: Path, syncline: Syncline) -> None:
    write(file, [span("ab" * 16, 1, None, "a", 0, 1, "x"), span("abcd" * 8, 1, None, "a", 0, 1, "x")])
    ended = syncline(*words, "--file", file, COLUMNS="300")
    assert ended.status == 2
    assert message in ended.stderr


def test_a_file_that_is_not_there_is_named(tmp_path: Path, syncline: Syncline) -> None:
    ended = syncline("trace", "--file", tmp_path / "missing", COLUMNS="300")
    assert ended.status == 2
    assert f"there is no trace file {tmp_path / 'missing'}" in ended.stderr


def test_without_a_file_the_option_is_asked_for(syncline: Syncline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNCLINE_TRACE_FILE", raising=False)
    ended = syncline("trace", COLUMNS="200")
    assert ended.status == 2
    assert "SYNCLINE_TRACE_FILE" in ended.stderr


def test_an_empty_file_has_no_traces(tmp_path: Path, syncline: Syncline) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert syncline("trace", "--file", empty).stdout == "no traces\n"
    assert syncline("trace", "--last", "--file", empty).stdout == "no traces\n"
    assert json.loads(syncline("trace", "--file", empty, "--json").stdout) == []
    assert json.loads(syncline("trace", "--last", "--file", empty, "--json").stdout) is None


def test_damaged_lines_cost_themselves_only(tmp_path: Path, syncline: Syncline) -> None:
    whole = [encode_span_line(each) for each in STORY]
    file = tmp_path / "traces.jsonl"
    # Half a line, a whole one, one of no text, one that is too long, a whole one, and half a last line.
    long = b"x" * 2_000_000
    file.write_bytes(whole[0][:90] + b"\n" + whole[0] + b"\xff\n" + long + b"\n" + whole[1] + whole[2][:-9])
    document = json.loads(syncline("trace", REQUEST, "--file", file, "--json").stdout)
    assert [root["name"] for root in document["traces"][0]["spans"]] == ["batch"]
    assert document["traces"][0]["span_count"] == 2
    assert document["lines_damaged"] == 1
    assert "damaged lines of these traces: 1\n" in syncline("trace", REQUEST, "--file", file).stdout


def test_the_file_that_was_put_aside_belongs_to_it(file: Path, syncline: Syncline) -> None:
    file.rename(file.with_name("traces.jsonl.1"))
    assert "3 spans" in syncline("trace", REQUEST, "--file", file).stdout
    write(file, [span(REQUEST, 5, 1, "latest", 10, 11, "worker")])
    shown = syncline("trace", REQUEST, "--file", file).stdout
    assert "4 spans" in shown
    assert "latest" in shown


def test_what_is_written_or_put_aside_while_it_reads_changes_nothing(file: Path) -> None:
    with TraceFiles(file) as files:
        before = list(files.lines())
        write(file, [span(REQUEST, 4, 1, "later", 10, 11, "worker")])
        os.replace(file, file.with_name("traces.jsonl.1"))  # noqa: PTH105 - as a writer does it
        write(file, [span(REQUEST, 5, 1, "latest", 10, 11, "worker")])
        assert list(files.lines()) == before
    assert len(before) == len(STORY)


def test_what_a_span_says_does_not_steer_the_terminal(tmp_path: Path, syncline: Syncline) -> None:
    steering = "\x1b[31mred [bold]\n\u202e"
    spans = [
        replace(
            span(REQUEST, 1, None, steering, 0, 1, steering),
            status="error",
            status_message=steering,
            attributes={steering: [steering]},
            events=(SpanEvent(steering, T0, {steering: steering}),),
        )
    ]
    file = write(tmp_path / "traces.jsonl", spans)
    for words in (("trace", REQUEST), ("trace",)):
        shown = syncline(*words, "--file", file).stdout
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert r"\x1b[31mred [bold]\n" in shown


def test_the_top_of_a_trace_with_too_many_spans_is_shown(
    tmp_path: Path, syncline: Syncline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "_SPANS_MAX", 3)
    pages = [span(REQUEST, 2 + n, 1, f"page {n}", 10 + n, 11 + n, "server") for n in range(6)]
    file = write(tmp_path / "traces.jsonl", [*reversed(pages), span(REQUEST, 1, None, "stream", 0, 90, "server")])
    shown = syncline("trace", REQUEST, "--file", file).stdout
    assert [name for name in ("stream", "page 0", "page 1", "page 2") if name in shown] == [
        "stream",
        "page 0",
        "page 1",
    ]
    assert "7 spans" in shown
    assert "4 later spans are left out" in shown


def test_of_many_linked_traces_some_are_shown_and_the_others_counted(
    tmp_path: Path, syncline: Syncline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "_LINKED_MAX", 2)
    to_batch = (SpanLink(REQUEST, f"{1:016x}"),)
    readers = [replace(span(f"{n:032x}", 1, None, f"sync {n}", n, n + 1, "cli"), links=to_batch) for n in range(5)]
    file = write(tmp_path / "traces.jsonl", [span(REQUEST, 1, None, "batch", 0, 1, "worker"), *readers])
    shown = syncline("trace", REQUEST, "--file", file).stdout
    assert ("sync 0" in shown, "sync 1" in shown, "sync 2" in shown) == (True, True, False)
    assert "3 more links from or to other traces" in shown


def test_a_forgotten_trace_that_comes_again_stays_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list remembers few starts at a time, and lists as if it remembered all."""
    monkeypatch.setattr(listing, "_STARTS_MAX", 120)
    old = "f" * 32
    spans = [span(old, 2, 1, "early", 0, 1, "x")]
    spans += [span(f"{n:032x}", 1, None, f"root {n}", 10 + n, 500, "x") for n in range(300)]
    spans += [span(old, 1, None, "root", 0, 900, "x"), span(old, 3, 1, "late", 800, 900, "x")]
    with TraceFiles(write(tmp_path / "traces.jsonl", spans)) as files:
        newest = newest_traces(files, 10)
    assert [each.root for each in newest] == [f"root {n}" for n in range(299, 289, -1)]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "traces.jsonl"
    lines = [encode_span_line(replace(each, attributes={"text": "x" * 8_000})) for each in STORY[:3]]
    with file.open("wb") as to:
        for n in range(1_500):
            to.writelines(line.replace(REQUEST.encode(), f"{n:032x}".encode()) for line in lines)
    write(file, STORY)
    with TraceFiles(file) as files:
        tracemalloc.start()
        try:
            assert read_story(files, DEVICE, 1) is not None
            newest_traces(files, 1)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak * 10 < file.stat().st_size


def test_a_device_s_edit_is_followed_to_another_device_and_back(
    tmp_path: Path, syncline: Syncline, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other, file = tmp_path / "one.db", tmp_path / "other.db", tmp_path / "traces.jsonl"
    with recorded_spans() as spans, served_store() as server:
        write_notes(server.store, number_notes(1))
        for words in (
            ("sync", one),
            ("set", one, "note", "00000", "text=edited"),
            ("push", one),
            ("sync", other),
        ):
            assert syncline(*words, SYNCLINE_SERVER=server.address).status == 0
        FileSpanExporter(file).export(spans.all())
    capsys.readouterr()  # what the server said at its end
    shown = syncline("trace", "--last", "--follow", 2, "--file", file).stdout
    ways = [re.sub("[0-9a-f]{16}", "…", line) for line in shown.splitlines() if line.startswith(("→", "←"))]
    assert ways == [
        "→ syncline.page of … links to syncline.upload of …",
        "→ syncline.upload.message of … links to syncline.write of …",
    ]
    listed = json.loads(syncline("trace", "--file", file, "--json").stdout)
    write = next(each["trace_id"] for each in listed if each["root"] == "syncline.write")
    followed = json.loads(syncline("trace", write, "--follow", 2, "--file", file, "--json").stdout)["traces"]
    assert [each["trace_id"] for each in followed] == re.findall("^trace (.+)$", shown, flags=re.MULTILINE)[::-1]
