"""`metrics` of a real daemon, read by Prometheus' own parser."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from phsearch import __version__
from support.harness import Daemon, photo, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

QUICK = "[watch]\nsettle_seconds = 0.2\n"
ODD = os.fsdecode(b'photos "here"\n\xff')


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Two folders, of which one has a name that is hard to write."""
    daemon = Daemon(tmp_path_factory.mktemp("home"), settings=QUICK)
    odd = daemon.home / ODD
    photo(odd / "odd.png", "blue")
    photo(daemon.photos / "a.png", "red")
    photo(daemon.photos / "b.png", "green")
    (daemon.photos / "bad.png").write_bytes(b"no picture")
    daemon.start(roots=(daemon.photos, odd))
    try:
        daemon.becomes(photos=3, errors=1, pending=0)
        yield daemon
    finally:
        daemon.stop()


def families(daemon: Daemon) -> dict[str, Metric]:
    text = daemon.cli("metrics").stdout
    assert text.endswith("\n")
    found = list(parse(text))
    names = [family.name for family in found]
    assert len(names) == len(set(names))
    return {family.name: family for family in found}


def value(daemon: Daemon, name: str, **labels: str) -> float:
    """Return the value of the only sample with this name and these labels."""
    samples = [sample for family in families(daemon).values() for sample in family.samples]
    (found,) = [
        sample.value for sample in samples if sample.name == name and labels.items() <= dict(sample.labels).items()
    ]
    return float(found)


def test_every_family_has_its_help_and_type_and_a_name_by_the_rules(daemon: Daemon) -> None:
    found = families(daemon)
    assert all(family.documentation.endswith(".") for family in found.values())
    assert all(name.startswith("phsearch_") for name in found)
    assert {family.type for family in found.values()} == {"counter", "gauge", "histogram"}
    text = daemon.cli("metrics").stdout
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            assert name.endswith("_total") == (kind == "counter"), name
    samples = [(each.name, tuple(sorted(each.labels.items()))) for family in found.values() for each in family.samples]
    assert len(samples) == len(set(samples))


def test_numbers_are_those_of_the_status(daemon: Daemon) -> None:
    status = daemon.status()
    assert value(daemon, "phsearch_up") == 1
    assert value(daemon, "phsearch_photos") == status["photos"] == 3
    assert value(daemon, "phsearch_photos_unreadable") == 1
    assert value(daemon, "phsearch_photos_pending") == 0
    assert value(daemon, "phsearch_build_info", version=__version__, model="mini", protocol="1") == 1
    assert abs(value(daemon, "phsearch_start_time_seconds") + status["uptime"] - time.time()) < 30
    for pid, process in ((daemon.pid, "daemon"), (daemon.workers()[0], "query")):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        resident = value(daemon, "phsearch_resident_memory_bytes", process=process)
        assert 0.8 < resident / (pages * os.sysconf("SC_PAGE_SIZE")) < 1.25
        assert value(daemon, "phsearch_open_fds", process=process) > 3
    assert value(daemon, "phsearch_index_rows", table=next(daemon.state.glob("index/photos_mini_*")).stem) == 3
    assert value(daemon, "phsearch_index_rows", table="errors") == 1
    files = [file.stat().st_size for file in (daemon.state / "index").rglob("*") if file.is_file()]
    tables = list(families(daemon)["phsearch_index_bytes"].samples)
    assert sum(each.value for each in tables) == sum(files)
    assert abs(value(daemon, "phsearch_index_last_write_timestamp_seconds") - time.time()) < 60
    assert value(daemon, "phsearch_bottleneck", stage="idle") == 1


def test_a_folder_with_a_name_that_is_hard_to_write_is_a_label(daemon: Daemon) -> None:
    root = f'{daemon.home}/photos "here"\n\\xff'
    assert value(daemon, "phsearch_root_photos", root=root) == 1
    assert value(daemon, "phsearch_root_state", root=root, state="watching") == 1
    assert value(daemon, "phsearch_root_state", root=root, state="offline") == 0


def test_what_happens_is_counted(daemon: Daemon) -> None:
    def count(name: str, **labels: str) -> float:
        return value(daemon, f"phsearch_{name}_total", **labels)

    moved, removed, embedded = count("photos_moved"), count("photos_removed"), count("photos_embedded")
    (daemon.photos / "a.png").rename(daemon.photos / "moved.png")
    wait_until(lambda: count("photos_moved") == moved + 1, "the move is counted")
    (daemon.photos / "moved.png").unlink()
    wait_until(lambda: count("photos_removed") == removed + 1, "the removal is counted")
    photo(daemon.photos / "c.png", "yellow")
    wait_until(lambda: count("photos_embedded") == embedded + 1, "the photo is counted")
    assert count("stage_photos", stage="reading") >= 4
    assert count("stage_busy_seconds", stage="decode") > 0


def test_queries_are_counted_and_timed(daemon: Daemon) -> None:
    before = value(daemon, "phsearch_query_duration_seconds_count")
    for query in ("red", "green", "blue"):
        daemon.found(query)
    assert daemon.cli("富士山", check=False).returncode == 1
    assert value(daemon, "phsearch_query_duration_seconds_count") == before + 3
    assert value(daemon, "phsearch_query_duration_seconds_bucket", le="+Inf") == before + 3
    assert 0 < value(daemon, "phsearch_query_duration_seconds_sum") < 60
    assert value(daemon, "phsearch_queries_refused_total") >= 1


def test_a_worker_that_is_killed_is_counted_by_its_cause(daemon: Daemon) -> None:
    starts = value(daemon, "phsearch_worker_starts_total", worker="query")
    os.kill(daemon.workers()[0], signal.SIGKILL)
    wait_until(lambda: value(daemon, "phsearch_worker_starts_total", worker="query") > starts, "another is started")
    assert value(daemon, "phsearch_worker_deaths_total", worker="query", cause="killed") == 1
    assert value(daemon, "phsearch_worker_running", worker="query") == 1


def test_looking_writes_nothing(daemon: Daemon) -> None:
    daemon.settled()

    def state() -> dict[str, tuple[int, int]]:
        found = [file for file in daemon.state.rglob("*") if file.is_file()]
        return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in found}

    before = state()
    for _ in range(3):
        daemon.call("metrics")
        daemon.call("doctor")
    assert state() == before


def test_the_file_for_node_exporter_is_whole_readable_and_says_so_when_nobody_answers(tmp_path: Path) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    file = folder / "phsearch.prom"
    with running(tmp_path, settings=QUICK) as daemon:
        done = daemon.cli("metrics", "--textfile", str(file))
        assert (done.stdout, done.stderr) == ("", "")
        assert "phsearch_up 1.0\n" in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o644
        first = file.stat().st_ino
        daemon.cli("metrics", "--textfile", str(file))
        assert file.stat().st_ino != first, "a reader has the old one or the new one, never half of it"
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            halted = daemon.cli("metrics", "--timeout", "0.5", "--textfile", str(file), check=False)
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        assert halted.returncode == 75
        assert [(each.name, each.samples[0].value) for each in parse(file.read_text())] == [("phsearch_up", 0)]
        assert daemon.cli("metrics", "--textfile", str(tmp_path / "none" / "x"), check=False).returncode == 1
    done = daemon.cli("metrics", "--textfile", str(file), check=False)
    assert done.returncode == 69
    assert "phsearchd is not running" in done.stderr
    assert [(each.name, each.samples[0].value) for each in parse(file.read_text())] == [("phsearch_up", 0)]
    assert os.listdir(folder) == ["phsearch.prom"]
    assert daemon.cli("metrics", check=False).returncode == 69
