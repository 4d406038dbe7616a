"""--follow against a daemon that says what it is told to: nothing is lost, and nothing is printed twice."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.fakes import HANG_UP, Refusal, ScriptedDaemon
from support.harness import PHSEARCH_CLIENT, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OTHERWISE = {"pending": 0, "photos": 9, "took_ms": 1.5}
BELL = {"type": "indexed", "path": "/p/x.jpg"}


def hit(path: str, at: float, score: float = 0.5) -> dict[str, Any]:
    about: dict[str, Any] = {
        "root": "/p",
        "taken_at": None,
        "width": 4,
        "height": 3,
        "format": "JPEG",
        "indexed_at": at,
    }
    about["sequence"] = int(at * 1000)
    return {"path": path, "score": score, "band": "strong", "relevance": 0.9} | about


class Library:
    """Photos, and searches among them as the daemon answers: the best, and never more than `most`."""

    def __init__(self, hits: list[dict[str, Any]], most: int = 1000) -> None:
        self.hits = hits
        self._most = most

    def __call__(self, params: dict[str, Any]) -> dict[str, Any]:
        until = params.get("until_sequence", float("inf"))
        found = [each for each in self.hits if params["after_sequence"] < each["sequence"] <= until]
        best = sorted(found, key=lambda each: -each["score"])[: min(self._most, params["limit"])]
        return {"hits": best, "matching": len(found) + 7, "hidden": 7} | OTHERWISE


class Output:
    """What a client that follows has written so far."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "out", folder / "err"

    @property
    def out(self) -> list[str]:
        return [os.fsdecode(path) for path in self.files[0].read_bytes().split(b"\0")[:-1]]

    @property
    def err(self) -> str:
        return self.files[1].read_text()


@contextlib.contextmanager
def following(folder: Path, *words: str) -> Iterator[Output]:
    output = Output(folder)
    with output.files[0].open("wb") as out, output.files[1].open("wb") as err:
        command = [*PHSEARCH_CLIENT, "--socket", str(folder / "s"), "red", "--follow", "-0", *words]
        process = subprocess.Popen(command, stdout=out, stderr=err, env=os.environ | {"HOME": str(folder)})
    try:
        yield output
        assert process.poll() is None, output.err
        process.send_signal(signal.SIGINT)
        assert process.wait(scaled(20)) == 130
    finally:
        process.kill()
        process.wait()


def scripted(folder: Path, search: Any, *, hangs_up: bool = False) -> ScriptedDaemon:
    script = {"events.subscribe": {"subscribed": True}, "status": {"sequence": 0}, "search": search}
    return ScriptedDaemon(folder / "s", script, events=[BELL], hangs_up=hangs_up)


def refused(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*PHSEARCH_CLIENT, "--socket", str(folder / "s"), "red", "--follow", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=scaled(30), check=False)


@pytest.mark.parametrize(("count", "most"), [(2500, 1000), (20, 3)], ids=["limit", "a line holds less"])
def test_more_than_an_answer_holds_is_printed_all_the_same_oldest_first(tmp_path: Path, count: int, most: int) -> None:
    later = time.time() + 60
    hits = [hit(f"/p/{number:04}.jpg", later + number / 100, number * 7919 % count / count) for number in range(count)]
    with scripted(tmp_path, Library(hits, most)), following(tmp_path) as output:
        wait_until(lambda: len(output.out) >= len(hits), "all are printed")
        assert output.out == [each["path"] for each in hits]


def test_after_a_hang_up_the_search_is_repeated_and_nothing_printed_twice(tmp_path: Path) -> None:
    library = Library([hit("/p/a.jpg", time.time() + 60)])
    with scripted(tmp_path, library, hangs_up=True) as daemon, following(tmp_path) as output:
        wait_until(lambda: output.out == ["/p/a.jpg"], "the first is printed")
        library.hits.append(hit("/p/b.jpg", time.time() + 61))
        wait_until(lambda: len(output.out) > 1, "the next is printed")
        before = daemon.connections
        wait_until(lambda: daemon.connections > before + 4, "it comes back again and again")
        assert output.out == ["/p/a.jpg", "/p/b.jpg"]


@pytest.mark.parametrize(
    "trouble",
    [HANG_UP, Refusal("BadQuery", "there are no photos in a folder x"), Refusal("ModelUnavailable", "no model")],
    ids=["hangs up", "refuses the query", "has no model"],
)
def test_a_later_error_is_printed_once_and_ends_nothing(tmp_path: Path, trouble: Any) -> None:
    fine = {"hits": [], "matching": 0, "hidden": 0} | OTHERWISE
    last = {"hits": [hit("/p/a.jpg", time.time() + 60)], "matching": 1, "hidden": 0} | OTHERWISE
    with scripted(tmp_path, [fine, trouble, trouble, last]), following(tmp_path) as output:
        wait_until(lambda: output.out == ["/p/a.jpg"], "it goes on")
        assert output.err.count("\n") == 1, output.err


def test_an_error_at_the_start_ends_it(tmp_path: Path) -> None:
    with scripted(tmp_path, Refusal("BadQuery", "nobody knows what that is")):
        done = refused(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "phsearch-client: nobody knows what that is\n"


def test_a_photo_that_is_indexed_again_unchanged_or_renamed_is_not_printed_again(tmp_path: Path) -> None:
    photo, other = tmp_path / "a.jpg", tmp_path / "b.jpg"
    photo.write_bytes(b"one")
    library = Library([hit(str(photo), time.time() + 60)])
    with scripted(tmp_path, library, hangs_up=True), following(tmp_path) as output:
        wait_until(lambda: output.out == [str(photo)], "it is printed")
        # As after a crash: the same file, of a later time.
        library.hits = [hit(str(photo), time.time() + 62), hit("/p/1.jpg", time.time() + 63)]
        wait_until(lambda: output.out[1:] == ["/p/1.jpg"], "only the next is printed")
        photo.rename(other)
        library.hits = [hit(str(other), time.time() + 65), hit("/p/2.jpg", time.time() + 66)]
        wait_until(lambda: output.out[2:] == ["/p/2.jpg"], "only the next is printed")
        other.write_bytes(b"another content")
        library.hits = [hit(str(other), time.time() + 68)]
        wait_until(lambda: output.out[3:] == [str(other)], "what shows something else is printed")


@pytest.mark.parametrize("command", ["'", ""])
def test_a_command_that_is_none_is_refused_in_a_sentence(tmp_path: Path, command: str) -> None:
    done = refused(tmp_path, "--exec", command)
    assert done.returncode == 2
    assert "Invalid value for '--exec'" in done.stderr


@pytest.mark.parametrize(
    ("command", "wanted"),
    [("echo x", "x /p/a {} b.jpg"), ("echo {}.txt '{} y'", "/p/a {} b.jpg.txt /p/a {} b.jpg y")],
)
def test_a_path_is_put_in_every_place_for_it_or_behind_the_command(tmp_path: Path, command: str, wanted: str) -> None:
    library = Library([hit("/p/a {} b.jpg", time.time() + 60)])
    with scripted(tmp_path, library), following(tmp_path, "--exec", command) as output:
        wait_until(lambda: b"\n" in output.files[0].read_bytes(), "it is run")
        assert output.files[0].read_text() == f"/p/a {{}} b.jpg\0{wanted}\n"
