"""Another model takes over without a gap: the present one answers until the new one has a vector of every photo."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import pytest

from phsearch.errors import PhsearchError, RemoteError
from support.harness import Daemon, photo, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = '[model]\nname = "colour"\n[watch]\nsettle_seconds = 0.1\n'
FEW = 12
MANY = 60
"""Photos that take a twentieth of a second each: enough for something to happen meanwhile."""
BATCHES_IN_HAND = 3 * 8
UNWRITTEN_SECONDS = 2
ALIKE = 0.8
"""The cosine of a colour and its name, by any one model: by two of them it is far less."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Return a daemon that is not started yet."""
    daemon = Daemon(tmp_path / "home", settings=SETTINGS)
    daemon.env["FORWARD_PASSES"] = str(tmp_path / "passes")
    yield daemon
    daemon.stop()


def fill(daemon: Daemon, count: int, name: str = "photo") -> None:
    for number in range(count):
        photo(daemon.photos / f"{name}{number:03}.png", ("red", "green", "blue")[number % 3], (32, 24))


def answering(daemon: Daemon) -> str:
    name: str = daemon.status()["model"]["name"]
    return name


def answers(daemon: Daemon, model: str, seconds: float = 40) -> None:
    wait_until(lambda: answering(daemon) == model, f"{model} answers", seconds)


def prepared(daemon: Daemon) -> int:
    """Return how many photos the model that is being prepared has."""
    switch = daemon.status().get("switch") or {}
    return int(switch["done"]) if switch.get("state") == "indexing" and switch["done"] < switch["total"] else 0


def becomes_prepared(daemon: Daemon, photos: float) -> None:
    wait_until(lambda: prepared(daemon) > photos, f"{photos:.0f} photos are embedded")


def passes(daemon: Daemon, model: str) -> Counter[str]:
    with open(daemon.env["FORWARD_PASSES"], encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    return Counter(path for name, path in lines if name == model)


def assert_index_is_right(daemon: Daemon) -> None:
    report = daemon.call("library.verify", sample=1000)
    assert report["ok"], report
    on_disk = {str(path) for path in daemon.photos.rglob("*.png")}
    hits = daemon.call("search", query="red", limit=1000)["hits"]
    assert {hit["path"] for hit in hits} == on_disk
    for colour in ("red", "green", "blue"):
        best = daemon.call("search", query=colour, limit=1)["hits"][0]
        assert best["score"] > ALIKE, (colour, best)


class Questions(threading.Thread):
    """Asks all the while, and keeps what went wrong."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__()
        self._daemon = daemon
        self._ends = threading.Event()
        self.asked = 0
        self.wrong: list[Any] = []

    def run(self) -> None:
        while not self._ends.is_set():
            for query in ("red", "blue", f"green {self.asked}"):
                try:
                    hits = self._daemon.call("search", query=query, limit=3)["hits"]
                except PhsearchError as error:
                    self.wrong.append(error)
                    continue
                self.asked += 1
                if not hits or hits[0]["score"] < ALIKE:
                    self.wrong.append((query, hits))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self.join()


def test_every_query_is_answered_and_rightly_while_the_model_changes(daemon: Daemon) -> None:
    fill(daemon, MANY, "slow")
    daemon.start()
    daemon.becomes(photos=MANY, pending=0)
    with Questions(daemon) as questions:
        daemon.call("model.use", name="mirrored")
        answers(daemon, "mirrored")
        daemon.call("model.use", name="wide")
        answers(daemon, "wide")
        daemon.call("model.use", name="colour")
        answers(daemon, "colour")
    assert questions.asked > 20
    assert questions.wrong == []
    assert (
        passes(daemon, "colour").total() == passes(daemon, "mirrored").total() == passes(daemon, "wide").total() == MANY
    )
    assert_index_is_right(daemon)


def test_going_back_costs_nothing(daemon: Daemon) -> None:
    fill(daemon, FEW)
    daemon.start()
    daemon.becomes(photos=FEW, pending=0)
    daemon.call("model.use", name="wide")
    answers(daemon, "wide")
    begin = time.monotonic()
    daemon.call("model.use", name="colour")
    answers(daemon, "colour")
    assert time.monotonic() - begin < scaled(2)
    assert passes(daemon, "colour").total() == FEW
    assert_index_is_right(daemon)


def test_photos_that_come_change_move_and_go_meanwhile_are_right_before_and_after(daemon: Daemon) -> None:
    fill(daemon, MANY, "slow")
    fill(daemon, FEW, "moves/photo")
    fill(daemon, FEW, "goes/photo")
    daemon.start()
    daemon.becomes(photos=MANY + 2 * FEW, pending=0)
    daemon.call("model.use", name="wide")
    becomes_prepared(daemon, FEW)
    (daemon.photos / "moves").rename(daemon.photos / "moved")
    shutil.rmtree(daemon.photos / "goes")
    photo(daemon.photos / "slow000.png", "yellow", (32, 24))
    photo(daemon.photos / "new.png", "white", (32, 24))
    shutil.copy(daemon.photos / "slow001.png", daemon.photos / "copy.png")
    (daemon.photos / "slow002.png").rename(daemon.photos / "renamed.png")
    wait_until(lambda: daemon.found("white", 1) == ["new.png"], "the new photo is found")
    assert answering(daemon) == "colour"
    assert daemon.found("yellow", 1) == ["slow000.png"]
    answers(daemon, "wide")
    daemon.becomes(photos=MANY + FEW + 2, pending=0)
    changed, *others = passes(daemon, "wide").most_common()
    assert changed[1] <= 2
    assert {times for _, times in others} == {1}
    assert daemon.found("white", 1) == ["new.png"]
    assert daemon.found("yellow", 1) == ["slow000.png"]
    assert_index_is_right(daemon)
    daemon.stop()
    daemon.start()
    daemon.becomes(photos=MANY + FEW + 2, pending=0)
    assert_index_is_right(daemon)


def test_a_daemon_that_is_killed_goes_on_where_it_was(daemon: Daemon) -> None:
    fill(daemon, 3 * MANY, "slow")
    daemon.start()
    daemon.becomes(photos=3 * MANY, pending=0)
    daemon.call("model.use", name="mirrored")
    for share in (0.2, 0.4, 0.6):
        becomes_prepared(daemon, share * 3 * MANY)
        daemon.kill()
        daemon.start()
        assert answering(daemon) == "colour"
        assert daemon.call("search", query="red", limit=1)["hits"]
    answers(daemon, "mirrored", 60)
    lost = 3 * (BATCHES_IN_HAND + UNWRITTEN_SECONDS * 20)
    assert passes(daemon, "mirrored").total() <= 3 * MANY + lost
    assert passes(daemon, "colour").total() == 3 * MANY
    assert_index_is_right(daemon)
    daemon.kill()
    daemon.start()
    daemon.becomes(photos=3 * MANY, pending=0)
    assert answering(daemon) == "mirrored"
    assert_index_is_right(daemon)


def test_a_change_that_is_cancelled_keeps_what_it_has_embedded(daemon: Daemon) -> None:
    fill(daemon, MANY, "slow")
    daemon.start()
    daemon.becomes(photos=MANY, pending=0)
    daemon.call("model.use", name="wide")
    becomes_prepared(daemon, FEW)
    assert "colour stays" in daemon.cli("model", "cancel").stdout
    wait_until(lambda: daemon.status().get("switch") is None, "no change is under way")
    assert answering(daemon) == "colour"
    before = passes(daemon, "wide").total()
    assert before < MANY
    assert daemon.cli("model", "cancel", check=False).returncode == 1
    daemon.cli("model", "use", "wide", "--wait")
    assert answering(daemon) == "wide"
    assert passes(daemon, "wide").total() <= MANY + BATCHES_IN_HAND + UNWRITTEN_SECONDS * 20
    assert passes(daemon, "wide").total() < 2 * MANY
    assert_index_is_right(daemon)


def test_what_is_there_already_can_be_searched_by_the_new_model(daemon: Daemon) -> None:
    fill(daemon, FEW)
    fill(daemon, MANY, "slow")
    daemon.start()
    daemon.becomes(photos=FEW + MANY, pending=0)
    assert daemon.cli("search", "--model", "mirrored", "red", check=False).returncode == 1
    daemon.call("model.use", name="mirrored")
    becomes_prepared(daemon, FEW)
    found = daemon.call("search", query="red", model="mirrored", limit=1000)["hits"]
    assert 0 < len(found) < FEW + MANY
    assert found[0]["score"] > ALIKE
    like = daemon.call("search", query=f"like:{found[0]['path']}", model="mirrored", limit=2)["hits"]
    assert like[0]["score"] > 0.99
    assert daemon.cli("search", "--model", "mirrored", "red", "-n1").stdout.count("\n") == 1
    assert len(daemon.call("search", query="red", model="colour", limit=1000)["hits"]) == FEW + MANY
    answers(daemon, "mirrored")


def test_the_choice_outlives_a_restart_and_the_settings_win_when_they_are_changed(daemon: Daemon) -> None:
    fill(daemon, FEW)
    daemon.start()
    daemon.becomes(photos=FEW, pending=0)
    daemon.call("model.use", name="wide")
    answers(daemon, "wide")
    daemon.stop()
    daemon.start()
    assert answering(daemon) == "wide"
    daemon.stop()
    settings = daemon.home / "config" / "phsearch" / "config.toml"
    settings.write_text(SETTINGS.replace("colour", "mirrored"))
    daemon.start()
    with Questions(daemon) as questions:
        answers(daemon, "mirrored")
    assert questions.wrong == []
    assert passes(daemon, "mirrored").total() == FEW
    daemon.stop()
    daemon.start("--model", "colour")
    answers(daemon, "colour")
    with pytest.raises(RemoteError, match="--model"):
        daemon.call("model.use", name="wide")
    assert_index_is_right(daemon)


def test_a_choice_that_makes_no_sense_is_that_of_the_settings(daemon: Daemon) -> None:
    fill(daemon, FEW)
    daemon.state.mkdir(parents=True)
    (daemon.state / "model.json").write_text("[}")
    daemon.start()
    daemon.becomes(photos=FEW, pending=0)
    assert answering(daemon) == "colour"
    assert "model.json cannot be used" in daemon.cli("doctor", check=False).stdout


def test_the_index_of_a_former_model_is_removed_by_command_or_after_its_days(daemon: Daemon) -> None:
    fill(daemon, FEW)
    daemon.start()
    daemon.becomes(photos=FEW, pending=0)
    for name in ("wide", "mirrored"):
        daemon.cli("model", "use", name, "--wait")
    kept = {entry["name"]: entry for entry in daemon.call("model.list")["models"] if entry.get("state") == "kept"}
    assert set(kept) == {"colour", "wide"}
    assert kept["wide"]["forgotten_at"] > time.time() + 29 * 86400
    assert daemon.cli("model", "remove", "mirrored", check=False).returncode == 1
    assert "wide is removed" in daemon.cli("model", "remove", "wide").stdout
    assert daemon.cli("model", "remove", "wide", check=False).returncode == 1
    daemon.stop()
    record = json.loads((daemon.state / "model.json").read_text())
    assert [name for name, *_ in record["left"]] == ["colour"]
    record["left"] = [["colour", "", time.time() - 31 * 86400]]
    (daemon.state / "model.json").write_text(json.dumps(record))
    daemon.start()
    wait_until(lambda: not list((daemon.state / "index").glob("photos_colour*")), "the index is removed")
    assert_index_is_right(daemon)


def test_photos_of_a_disk_that_is_not_there_are_waited_for(daemon: Daemon) -> None:
    disk = daemon.home / "disk"
    photo(disk / "away.png", "blue", (32, 24))
    fill(daemon, FEW)
    daemon.start(roots=(daemon.photos, disk))
    daemon.becomes(photos=FEW + 1, pending=0)
    disk.rename(daemon.home / "elsewhere")
    wait_until(lambda: "offline" in [root["state"] for root in daemon.status()["roots"]], "it is offline")
    daemon.call("model.use", name="wide")
    wait_until(lambda: daemon.status()["switch"].get("offline") == 1, "one cannot be read")
    wait_until(lambda: daemon.status()["switch"]["state"] == "waiting", "it waits")
    assert "disks that are not there" in daemon.cli("model", "status").stdout
    assert answering(daemon) == "colour"
    (daemon.home / "elsewhere").rename(disk)
    answers(daemon, "wide")
    assert daemon.call("search", query="blue", limit=1000)["matching"] == FEW + 1


def test_a_pause_holds_it_back_as_all_indexing(daemon: Daemon) -> None:
    fill(daemon, FEW)
    daemon.start()
    daemon.becomes(photos=FEW, pending=0)
    daemon.cli("pause")
    daemon.call("model.use", name="wide")
    wait_until(lambda: daemon.status()["switch"]["state"] == "indexing", "its turn has come")
    with Questions(daemon) as questions:
        wait_until(lambda: questions.asked > 30, "some queries are answered")
    assert questions.wrong == []
    assert passes(daemon, "wide").total() == 0
    daemon.cli("resume")
    answers(daemon, "wide")
    assert_index_is_right(daemon)


def test_an_empty_library_changes_at_once(daemon: Daemon) -> None:
    daemon.start()
    assert "answers already" in daemon.cli("model", "use", "colour").stdout
    daemon.cli("model", "use", "wide", "--wait")
    fill(daemon, FEW)
    daemon.becomes(photos=FEW, pending=0)
    assert_index_is_right(daemon)
    assert passes(daemon, "colour").total() == 0
    assert os.path.exists(daemon.state / "model.json")
