"""What holds for every test: time limits fit this machine, chance is seeded, and no process outlives its test file."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from phsearch.adapters.store.lazy_namespace import placeholders
from support import harness, leftovers, time_limits
from support.fork_server import ForkServer
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_ITEM_SECONDS = 100.0
_GRACE_SECONDS = 5.0
_FAILED = pytest.StashKey[bool]()

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Measure this machine before the processes of pytest-xdist start, which take the factor from the environment."""
    time_limits.measure_once()
    leftovers.mark_children()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script: it would be inherited
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if getattr(config.option, "timeout", 0) is None:
        config.option.timeout = scaled(_ITEM_SECONDS)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import LanceDB as the daemon does: it costs each process of pytest two seconds less."""
    with placeholders():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Kill what a failed test has left in its own folder, so that it disturbs no other test."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    if report.when == "teardown" and item.stash[_FAILED] and isinstance(item, pytest.Function):
        folder = item.funcargs.get("tmp_path")
        if isinstance(folder, Path):
            leftovers.kill_leftovers(folder)
    return report


@pytest.fixture(scope="session", autouse=True)
def daemons_and_clients_are_forked() -> Iterator[None]:
    """Start them as forks of two processes with their imports done."""
    with ForkServer("daemons") as harness.Daemon.forks, ForkServer("clients") as harness.Daemon.client_forks:
        yield


@pytest.fixture(scope="module", autouse=True)
def no_process_survives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the last test of a file if a process of the file's tests still runs, and kill it."""
    yield
    left = leftovers.kill_leftovers(tmp_path_factory.getbasetemp(), grace=scaled(_GRACE_SECONDS), marked=True)
    assert not left, f"still running, and now killed: {left}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once for each reason how many tests were skipped."""
    skipped = [report.longrepr for report in terminalreporter.stats.get("skipped", [])]
    reasons = Counter(longrepr[2].removeprefix("Skipped: ") for longrepr in skipped if isinstance(longrepr, tuple))
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count} skipped: {reason}")
