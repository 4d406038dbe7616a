"""A problem is logged once and named until it is gone, and a task of a side feature fails alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from phsearch.domain.problems import Problem, Problems

if TYPE_CHECKING:
    import pytest


def test_a_problem_is_logged_once_and_named_until_it_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    problems = Problems()
    for _ in range(3):
        problems.report("pause", "it is odd", "pause again")
    assert list(problems) == [Problem("pause", "it is odd", "pause again")]
    assert len(caplog.records) == 1
    problems.report("pause", "it is odder", "pause again")
    assert [each.text for each in problems] == ["it is odder"]
    problems.resolve("pause")
    problems.resolve("albums")
    assert list(problems) == []


def test_a_task_that_fails_ends_alone_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("odd")

    async def scenario() -> str:
        problems = Problems()
        task = asyncio.create_task(fail())
        cancelled = asyncio.create_task(asyncio.sleep(9))
        problems.watch_task("albums", task)
        problems.watch_task("socket", cancelled)
        cancelled.cancel()
        await asyncio.wait([task, cancelled])
        await asyncio.sleep(0)
        (problem,) = problems
        return problem.text

    assert asyncio.run(scenario()) == "stopped by a bug in phsearch (ValueError: odd)"
    assert "Traceback" in caplog.text, "a bug is never swallowed"
