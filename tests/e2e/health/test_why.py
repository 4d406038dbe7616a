"""`phsearch-client why PATH [QUERY]`: one answer to "where is my photo", whatever became of it."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from support.harness import Daemon, photo, running, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = """
[watch]
settle_seconds = 0.2
ignore = ["*.tmp.png", "drafts/"]
min_bytes = 20
[model]
batch_size = 1
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("why"), settings=SETTINGS) as daemon:
        yield daemon


def why(daemon: Daemon, path: Path, *query: str) -> dict[str, Any]:
    """Ask through the real client, and see that its exit status is the answer's."""
    done = daemon.cli("why", "--json", str(path), *query, check=False)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if answer["findable"] else 1), done.stderr
    return answer


def verdict(daemon: Daemon, path: Path) -> str:
    """Ask over the socket, as often as one likes."""
    return str(daemon.call("library.why", path=str(path))["verdict"])


def is_indexed(daemon: Daemon, path: Path) -> bool:
    return verdict(daemon, path) == "indexed"


def test_a_photo_that_is_indexed_says_since_when_and_with_which_model(daemon: Daemon) -> None:
    path = photo(daemon.photos / "here.png", "red")
    wait_until(lambda: verdict(daemon, path) == "indexed", "it is indexed")
    answer = why(daemon, path)
    assert answer["findable"] is True
    assert answer["root"] == str(daemon.photos)
    assert answer["model"] == "mini"
    assert answer["indexed_at"] == pytest.approx(os.stat(path).st_mtime, abs=60)
    assert answer["text"].startswith("it is indexed, since 20")
    said = daemon.cli("why", os.path.relpath(path)).stdout
    assert said == f"{path}: {answer['text']}\n"


def test_a_photo_says_when_it_was_taken_and_who_says_so(daemon: Daemon) -> None:
    named = photo(daemon.photos / "IMG-20201018-WA0007.jpg", "green")
    (daemon.photos / "scan.jpg.json").write_text('{"photoTakenTime": {"timestamp": "1400000000"}}')
    beside = photo(daemon.photos / "scan.jpg", "green")
    plain = photo(daemon.photos / "plain.jpg", "green")
    for path in (named, beside, plain):
        wait_until(partial(is_indexed, daemon, path), "it is indexed")
    assert (why(daemon, named)["taken_at"], why(daemon, named)["date_source"]) == ("2020-10-18", "name")
    assert why(daemon, named)["text"].endswith("; taken 2020-10-18, by its file name")
    assert why(daemon, beside)["text"].endswith("; taken 2014-05-13 16:53:20+00:00, by a file beside it, .xmp or .json")
    assert why(daemon, plain)["text"].endswith("; nothing says when it was taken")
    assert daemon.found("date:2020") == [named.name]
    assert daemon.found("date:2014-05") == [beside.name]


def test_a_file_that_is_not_there_or_lies_elsewhere(daemon: Daemon, tmp_path: Path) -> None:
    answer = why(daemon, daemon.photos / "nowhere.png")
    assert (answer["verdict"], answer["text"]) == ("missing", "there is no such file")
    answer = why(daemon, photo(tmp_path / "elsewhere.png", "red"))
    assert (answer["verdict"], answer["root"]) == ("outside", None)
    assert answer["text"] == f"it lies in no watched folder; watched: {daemon.photos}"


def test_another_name_of_a_watched_folder_is_seen_through(daemon: Daemon, tmp_path: Path) -> None:
    path = photo(daemon.photos / "aliased.png", "red")
    (tmp_path / "alias").symlink_to(daemon.photos)
    wait_until(lambda: verdict(daemon, path) == "indexed", "it is indexed")
    answer = why(daemon, tmp_path / "alias" / "aliased.png")
    assert (answer["verdict"], answer["path"], answer["findable"]) == ("indexed", str(path), True)
    assert f"its real name is {path}" in answer["text"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.tmp.png", 'ignored by the rule "*.tmp.png"'),
        ("drafts/a.png", 'ignored by the rule "drafts/"'),
        (".a.png", "hidden: its name starts with a dot"),
        (".b/c/a.png", 'hidden: its folder ".b" starts with a dot'),
        ("a.txt", 'not a photo by its suffix ".txt"'),
    ],
)
def test_a_photo_that_a_rule_leaves_out_names_the_rule(daemon: Daemon, name: str, reason: str) -> None:
    path = photo(daemon.photos / name, "red", format="PNG")
    answer = why(daemon, path)
    assert (answer["verdict"], answer["reason"]) == ("excluded", reason)
    assert answer["text"] == f"it is left out: {reason}"


def test_a_photo_that_is_too_small_behind_a_link_or_no_file(daemon: Daemon) -> None:
    (daemon.photos / "tiny.png").write_bytes(b"tiny")
    assert why(daemon, daemon.photos / "tiny.png")["reason"] == "it has 4 bytes, and watch.min_bytes is 20"
    photo(daemon.home / "apart" / "linked.png", "red")
    link = daemon.photos / "link"
    link.symlink_to(daemon.home / "apart")
    answer = why(daemon, link / "linked.png")
    assert answer["verdict"] == "excluded"
    assert answer["reason"].startswith(f"{link} is a symbolic link")
    (daemon.photos / "dangling.png").symlink_to("nowhere")
    assert why(daemon, daemon.photos / "dangling.png")["verdict"] == "excluded"
    os.mkfifo(daemon.photos / "pipe.png")
    wait_until(lambda: why(daemon, daemon.photos / "pipe.png")["verdict"] == "failed", "the FIFO is refused")
    assert why(daemon, daemon.photos / "pipe.png")["reason"] == "a FIFO, not a regular file"


def test_a_photo_that_failed_says_why_and_how_often(daemon: Daemon) -> None:
    path = daemon.photos / "broken.jpg"
    path.write_bytes(b"this is not a photo at all")
    wait_until(lambda: verdict(daemon, path) == "failed", "it has failed")
    answer = why(daemon, path)
    assert answer["reason"] == daemon.errors()["broken.jpg"]
    assert answer["attempts"] == 1
    assert f"{answer['reason']} (tried once, last 20" in answer["text"]


def test_a_name_that_is_not_utf8_is_explained(daemon: Daemon) -> None:
    path = photo(daemon.photos / "od\udcffd.png", "blue")
    wait_until(lambda: verdict(daemon, path) == "indexed", "it is indexed")
    assert why(daemon, path, "blue")["match"]["score"] > 0.9
    assert "od\\xffd.png: it is indexed" in daemon.cli("why", str(path)).stdout


def test_a_folder_counts_what_is_in_it(daemon: Daemon) -> None:
    photo(daemon.photos / "folder" / "deep" / "a.png", "red")
    photo(daemon.photos / "folder" / "b.png", "red")
    (daemon.photos / "folder" / "c.png").write_bytes(b"no photo, but large enough")
    wait_until(lambda: why(daemon, daemon.photos / "folder").get("errors") == 1, "all are dealt with")
    wait_until(lambda: why(daemon, daemon.photos / "folder")["photos"] == 2, "both photos are indexed")
    answer = why(daemon, daemon.photos / "folder")
    assert answer["findable"] is True
    assert answer["text"] == "it is a folder: 2 photos indexed, 1 could not be read, 0 on their way"
    (daemon.photos / "drafts").mkdir(exist_ok=True)
    assert why(daemon, daemon.photos / "drafts")["verdict"] == "excluded"


def test_with_a_query_it_says_the_rank_and_what_would_hide_the_photo(daemon: Daemon) -> None:
    for number in range(24):
        photo(daemon.photos / "ranked" / f"{number}.png", (255, 240 - 10 * number, 0))
    last, first = daemon.photos / "ranked" / "23.png", daemon.photos / "ranked" / "0.png"
    daemon.call("search", query="yellow", sync=20)
    answer = why(daemon, last, "yellow")
    hits = [hit["path"] for hit in daemon.call("search", query="yellow", limit=1000)["hits"]]
    assert answer["match"]["rank"] == hits.index(str(last)) + 1 > 20
    assert answer["match"]["photos"] == len(hits)
    assert (
        f"shows the best 20 unless it asks for more, here with --limit {answer['match']['rank']}"
        in (answer["match"]["text"])
    )
    assert f"a --min-score above {answer['match']['score']:.3f} would hide it" in answer["match"]["text"]
    near = why(daemon, first, "yellow")["match"]
    assert near["rank"] == hits.index(str(first)) + 1
    assert "--limit" not in near["text"]
    assert why(daemon, daemon.photos / "nowhere.png", "yellow")["match"] is None


def test_with_filters_alone_it_says_whether_they_let_the_photo_pass(daemon: Daemon) -> None:
    kept = photo(daemon.photos / "filtered" / "2021-05-01 12.00.00.png", "red")
    daemon.call("search", query="red", sync=20)
    for query in ("date:1999", "-in:filtered", "type:raw", "in:filtered size:>100MP date:2021-05"):
        match = why(daemon, kept, query)["match"]
        assert (match["passes"], match["text"]) == (False, f'a filter of "{query}" leaves it out')
    match = why(daemon, kept, "in:filtered type:png")["match"]
    assert (match["passes"], match["rank"], match["photos"], match["score"]) == (True, 1, 1, 0.0)
    assert match["text"] == 'it passes every filter of "in:filtered type:png": by date it is number 1 of 1'
    done = daemon.cli("why", str(kept), "date:1999")
    assert done.stdout.endswith('a filter of "date:1999" leaves it out\n')


def test_on_its_way_a_photo_settles_waits_in_the_queue_and_is_indexed(tmp_path: Path) -> None:
    with running(tmp_path, settings=SETTINGS.replace("0.2", str(scaled(1)))) as daemon:
        blocker = photo(daemon.photos / "never-ends.png", "red")
        wait_until(lambda: verdict(daemon, blocker) == "indexing", "the worker hangs on it")
        waiting = [photo(daemon.photos / f"{number}.png", "red") for number in range(40)]
        assert why(daemon, waiting[-1])["verdict"] == "settling"

        def behind_what_the_worker_has() -> list[dict[str, Any]]:
            answers = [daemon.call("library.why", path=str(path)) for path in waiting]
            queued = [answer for answer in answers if answer["verdict"] == "queued"]
            positions = sorted(answer["position"] for answer in queued)
            # The worker has three batches of eight at most, the first of them the one photo it hangs on.
            told = len(queued) >= 23 and all(answer["of"] == 41 for answer in queued)
            return queued if told and positions == list(range(42 - len(queued), 42)) else []

        queued = wait_until(behind_what_the_worker_has, "all but what the worker has are queued in their order")
        assert queued[0]["findable"] is False


def test_a_photo_that_changed_is_found_by_what_it_was(daemon: Daemon) -> None:
    path = photo(daemon.photos / "changing.png", "red")
    wait_until(lambda: verdict(daemon, path) == "indexed", "it is indexed")
    before = os.stat(path)
    with path.open("ab") as file:  # a writer that has not closed it yet: nobody was told
        file.write(b"more")
        file.flush()
        answer = why(daemon, path)
    assert (answer["verdict"], answer["findable"]) == ("changed", True)
    assert "but has changed since: " in answer["text"]
    assert answer["indexed_at"] > before.st_mtime - 1


def test_a_photo_whose_folder_is_offline_says_so_and_stays_findable(tmp_path: Path) -> None:
    with running(tmp_path, settings=SETTINGS) as daemon:
        path = photo(daemon.photos / "away.png", "red")
        daemon.becomes(photos=1, pending=0)
        daemon.photos.rename(tmp_path / "unplugged")
        wait_until(lambda: verdict(daemon, path) == "offline", "the root is offline")
        answer = why(daemon, path, "red")
        assert answer["findable"] is True
        assert answer["text"].startswith(f"its folder {daemon.photos} is offline: ")
        assert answer["match"]["rank"] == 1
        assert answer["last_seen"] == pytest.approx(time.time(), abs=60)
        assert "; last there 20" in answer["text"]
        assert why(daemon, daemon.photos / "unknown.png")["findable"] is False


def test_photos_that_are_missing_all_at_once_are_kept_and_that_is_said(tmp_path: Path) -> None:
    for number in range(60):
        photo(tmp_path / "photos" / f"{number}.png", (number, 0, 0), (16, 16))
    with running(tmp_path, settings=SETTINGS) as daemon:
        daemon.becomes(photos=60, pending=0)
        daemon.stop()
        for number in range(55):
            (daemon.photos / f"{number}.png").unlink()
        daemon.start()
        wait_until(lambda: verdict(daemon, daemon.photos / "0.png") == "offline", "it is missing but kept")
        answer = why(daemon, daemon.photos / "0.png")
        assert answer["findable"] is True
        assert "its file is not there now: 55 of 60 photos are missing at once" in answer["text"]
        assert why(daemon, daemon.photos / "59.png")["verdict"] == "indexed"


def test_without_a_daemon_or_with_a_bad_question_it_says_what_to_do(daemon: Daemon) -> None:
    done = daemon.cli("why", check=False)
    assert (done.returncode, "Missing argument 'PATH'" in done.stderr) == (2, True)
    assert daemon.cli("why", "/x.png", " ", check=False).returncode == 2
