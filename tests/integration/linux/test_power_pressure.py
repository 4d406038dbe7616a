"""Batteries, pressure, priorities and the saved pause, read from real files as the kernel writes them."""

from __future__ import annotations

import asyncio
import errno
import os
import platform
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.linux import process_limits
from phsearch.adapters.linux.power import PowerSupplyReader
from phsearch.adapters.linux.pressure import PressureReader
from phsearch.adapters.state.json_files import PauseFile
from phsearch.domain.problems import Problems
from phsearch.domain.throttle.policy import Power, Pressure
from phsearch.service.threads import TimeoutExecutor
from support.machine.fake_power import psi

if TYPE_CHECKING:
    from collections.abc import Callable


def power(folder: Path, **supplies: dict[str, str]) -> Power:
    for name, values in supplies.items():
        (folder / name).mkdir(parents=True)
        for key, value in values.items():
            (folder / name / key).write_text(f"{value}\n")
    return PowerSupplyReader(folder).read()


def mains(online: int) -> dict[str, str]:
    return {"type": "Mains", "online": str(online)}


def bat(status: str, capacity: int = 50, **more: str) -> dict[str, str]:
    return {"type": "Battery", "status": status, "capacity": str(capacity), "present": "1"} | more


def test_a_desktop_is_never_on_battery(tmp_path: Path) -> None:
    assert PowerSupplyReader(tmp_path / "none").read() == Power()
    assert power(tmp_path, AC=mains(0)) == Power()
    mouse = bat("Discharging", 3, scope="Device")
    assert power(tmp_path / "mouse", hidpp_battery_0=mouse) == Power()


@pytest.mark.parametrize(
    ("supplies", "on_battery"),
    [
        ({"AC": mains(1), "BAT0": bat("Charging")}, False),
        ({"AC": mains(1), "BAT0": bat("Discharging")}, False),
        ({"AC": mains(0), "BAT0": bat("Discharging")}, True),
        ({"BAT0": bat("Discharging")}, True),
        ({"AC": mains(0), "BAT0": bat("Unknown")}, True),
        ({"BAT0": bat("Unknown")}, False),
        ({"AC": mains(0), "BAT0": bat("Full")}, False),
        ({"AC": mains(0), "usb": {"type": "USB", "online": "1"}, "BAT0": bat("Charging")}, False),
        ({"AC": mains(0), "usb": {"type": "USB", "online": "1"}, "BAT0": bat("Discharging")}, True),
        ({"usb": {"type": "USB", "online": "1"}, "BAT0": bat("Not charging")}, False),
        ({"AC": mains(0), "BAT0": bat("Discharging"), "BAT1": bat("Unknown")}, True),
        ({"AC": mains(0), "BAT0": bat("Discharging", present="0")}, False),
        ({"ups": bat("Discharging") | {"type": "UPS"}}, True),
    ],
)
def test_where_the_power_comes_from(tmp_path: Path, supplies: dict[str, dict[str, str]], *, on_battery: bool) -> None:
    assert power(tmp_path, **supplies).on_battery is on_battery


def test_of_two_batteries_the_larger_one_counts_for_more(tmp_path: Path) -> None:
    large = bat("Discharging", 20, energy_now="10000000", energy_full="50000000")
    small = bat("Unknown", 80, energy_now="8000000", energy_full="10000000")
    assert power(tmp_path, BAT0=large, BAT1=small).percent == 30
    charge = bat("Discharging", 99, charge_now="500000", charge_full="1000000")
    assert power(tmp_path / "charge", BAT0=charge).percent == 50
    assert power(tmp_path / "mixed", BAT0=bat("Discharging", 20), BAT1=small).percent == 50


@pytest.mark.parametrize("odd", ["", "many", "-5", "\xff"])
def test_figures_that_are_none_are_unknown(tmp_path: Path, odd: str) -> None:
    broken = {"type": "Battery", "status": "Discharging", "capacity": odd, "energy_now": odd, "energy_full": "0"}
    assert power(tmp_path, BAT0=broken) == Power(on_battery=True, percent=None)
    critical = {"type": "Battery", "status": "Discharging", "capacity_level": "Critical"}
    assert power(tmp_path / "critical", BAT0=critical) == Power(on_battery=True, percent=0)


def pressures(folder: Path, own: str) -> PressureReader:
    (folder / "cgroup").write_text(own)
    return PressureReader(folder / "pressure", folder / "groups", folder / "cgroup")


def group(folder: Path, name: str, memory: float, io: float) -> None:
    place = folder / "groups" / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "memory.pressure").write_text(psi(memory))
    (place / "io.pressure").write_text(psi(io))


def whole(folder: Path, memory: float, io: float) -> None:
    (folder / "pressure").mkdir()
    (folder / "pressure" / "memory").write_text(psi(memory))
    (folder / "pressure" / "io").write_text(psi(io))


USER = "user.slice/user-1000.slice/user@1000.service"


def test_with_control_groups_only_the_pressure_of_others_counts(tmp_path: Path) -> None:
    whole(tmp_path, 99, 99)
    ours = f"{USER}/background.slice/phsearch.service"
    for name in ("user.slice", "user.slice/user-1000.slice", USER, f"{USER}/background.slice", ours, f"{ours}/below"):
        group(tmp_path, name, 98, 98)
    group(tmp_path, "system.slice", 1, 2)
    group(tmp_path, f"{USER}/app.slice", 12.5, 3)
    group(tmp_path, "user.slice/user-1000.slice/session-2.scope", 4, 41)
    group(tmp_path, f"{USER}/app.slice/browser.scope", 100, 100)  # in app.slice already
    read = pressures(tmp_path, f"12:cpu:/x\n0::/{ours}\n").read()
    assert read == Pressure(12.5, 41, others=True)


@pytest.mark.parametrize("own", ["0::/\n", "", "1:memory:/docker/x\n", "0::/gone/away\n"])
def test_without_groups_beside_ours_the_whole_machine_counts(tmp_path: Path, own: str) -> None:
    whole(tmp_path, 7, 8)
    assert pressures(tmp_path, own).read() == Pressure(7, 8, others=False)


def test_a_group_that_vanishes_or_has_no_figures_is_skipped(tmp_path: Path) -> None:
    group(tmp_path, "system.slice", 1, 2)
    (tmp_path / "groups" / "user.slice").mkdir()
    group(tmp_path, "odd.slice", 1, 2)
    (tmp_path / "groups" / "odd.slice" / "io.pressure").write_text("\xff\n")
    assert pressures(tmp_path, "0::/ours.slice\n").read() == Pressure(1, 2, others=True)


def test_a_kernel_without_pressure_has_no_figures(tmp_path: Path) -> None:
    assert PressureReader(tmp_path / "none", tmp_path / "none", tmp_path / "none").read() == Pressure()


@pytest.mark.skipif(not Path("/proc/pressure/memory").exists(), reason="this kernel has no PSI")
def test_this_machine_is_understood() -> None:
    read = PressureReader().read()
    assert read.memory is not None
    assert read.io is not None
    assert 0 <= read.io <= 100


def io_class(pid: int) -> str:
    return subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(shutil.which("ionice") is None, reason="needs ionice from util-linux")
@pytest.mark.skipif(
    platform.machine() not in process_limits._IOPRIO_SET, reason="no system call number for this processor"
)
def test_only_reading_threads_have_the_lowest_io_priority() -> None:
    before = io_class(os.getpid())

    def read(_tick: Callable[[], None]) -> str:
        return io_class(threading.get_native_id())

    disk = TimeoutExecutor("disk", 10, thread_init=process_limits.set_lowest_ioprio)
    assert asyncio.run(disk.run(read)) == "best-effort: prio 7"
    assert io_class(os.getpid()) == before


def test_a_saved_pause_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = PauseFile(tmp_path / "pause.json")
    assert file.load() == (False, None)
    for pause in ((True, 1.8e9), (True, None), (False, None)):
        file.save(*pause)
        assert file.load() == pause
        assert [each.name for each in tmp_path.iterdir()] == (["pause.json"] if pause[0] else [])
    file.save(paused=False, until=None)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"until": "soon"}',
        '{"until": NaN}',
        '{"until": 1e999}',
        f'{{"until": {10**400}}}',
        '{"until": -1}',
        '{"until": true}',
        '{"until": 1',
        "\xff",
        "[" * 99_999,
    ],
)
def test_a_saved_pause_that_makes_no_sense_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "pause.json").write_text(content, "latin-1")
    problems = Problems()
    file = PauseFile(tmp_path / "pause.json", problems)
    assert file.load() == (False, None)
    assert [each.part for each in problems] == ["pause"], "the doctor names it"
    file.save(paused=True, until=None)
    assert not list(problems)


def test_a_pause_that_cannot_be_saved_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = PauseFile(tmp_path / "pause.json")
    file.save(paused=True, until=None)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        file.save(paused=True, until=5.0)
    assert file.load() == (True, None)
    assert [each.name for each in tmp_path.iterdir()] == ["pause.json"]
