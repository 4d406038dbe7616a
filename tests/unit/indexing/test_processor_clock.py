"""How long a photo takes is counted while its worker has the processor, or could have it."""

from __future__ import annotations

import os
import subprocess
import sys

from phsearch.timing import ProcessorClock, ProcessorTimes, processor_times
from support.harness import wait_until


class Machine:
    """A process whose threads, each second, run for so long and wait for so long to be let."""

    def __init__(self, running: float, waiting: float) -> None:
        self.time = 0.0
        self.rates = ProcessorTimes(running, waiting)
        self.clock = ProcessorClock(7, longest_step=1.0, clock=lambda: self.time, times=self._times)

    def counted(self, seconds: int) -> float:
        before = self.clock.now
        for _ in range(10 * seconds):
            self.time += 0.1
            after = self.clock.now
        return after - before

    def _times(self, _pid: int) -> ProcessorTimes:
        return ProcessorTimes(self.time * self.rates.running, self.time * self.rates.waiting)


def test_a_process_that_has_the_processor_is_timed_by_the_clock_on_the_wall() -> None:
    assert round(Machine(running=1.7, waiting=0.2).counted(60)) == 60


def test_one_that_hangs_or_waits_for_its_disk_is_too() -> None:
    assert round(Machine(running=0, waiting=0).counted(60)) == 60


def test_one_that_others_keep_from_the_processor_is_timed_by_what_it_gets_of_it() -> None:
    assert 5 < Machine(running=0.1, waiting=1.9).counted(100) < 8


def test_the_kernel_says_how_long_a_process_waited() -> None:
    one_core = {min(os.sched_getaffinity(0))}
    computes = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {one_core})\nwhile True: pass"]
    processes = [subprocess.Popen(computes) for _ in range(2)]
    try:
        wait_until(lambda: min(processor_times(processes[0].pid)) > 0.2, "one has waited for the other")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert processor_times(processes[0].pid) == (0, 0)
