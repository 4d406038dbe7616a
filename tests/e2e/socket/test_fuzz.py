"""Invalid requests of any kind change nothing: some thousand here, a hundred thousand by tests/torture/fuzz.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.harness import Daemon, photo, running
from support.hostile.fuzzing import Fuzzer, conversation

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("fuzz")) as daemon:
        photo(daemon.photos / "red.png", "red")
        daemon.becomes(photos=1, pending=0)
        process = psutil.Process(daemon.pid)
        for seed in range(10):
            conversation(Fuzzer(seed, daemon.photos), daemon.socket)
        memory, descriptors = process.memory_info().rss, process.num_fds()
        yield daemon
        assert daemon.status()["photos"] == 1
        assert process.num_fds() <= descriptors + 2
        assert process.memory_info().rss < memory + (30 << 20)
        log = daemon.log.read_text(errors="replace")
        assert "Traceback" not in log
        assert " ERROR " not in log
        assert "\x1b" not in log, "what clients send is not printed raw"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**64))
def test_whatever_is_sent_gets_an_answer_that_says_what_is_wrong_or_none(daemon: Daemon, seed: int) -> None:
    conversation(Fuzzer(seed, daemon.photos), daemon.socket)
    assert daemon.found("red") == ["red.png"]
