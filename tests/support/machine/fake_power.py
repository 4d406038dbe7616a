"""A fake machine: the batteries and the pressure that daemons in tests see, whatever those of the real machine are.

It is a folder with `power_supply/`, `pressure/` and control groups (`cgroup`, `groups/`) as the kernel has them, which
the test changes while the daemon runs. Without such a folder there is neither battery nor pressure, so that no test
waits for either. Nor does one wait for the processor longer than others: the index worker has a normal priority.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from phsearch.adapters.linux.power import PowerSupplyReader
from phsearch.adapters.linux.pressure import PressureReader
from phsearch.config import CourtesyConfig
from phsearch.daemon import compose_index, worker_commands
from phsearch.domain.throttle.policy import Power, Pressure, ThrottlePolicy
from phsearch.service.throttle import IndexingThrottle

VARIABLE = "PHSEARCH_TEST_MACHINE"
LOW_PRIORITY = "PHSEARCH_TEST_LOW_PRIORITY"
"""Set for a daemon whose index worker is to have the low priority that it has outside tests."""
NOWHERE = "/nowhere"


def use() -> None:
    """Make the daemon of this process read the folder that the environment names."""
    folder = Path(os.environ.get(VARIABLE, NOWHERE))
    vars(compose_index)["PowerSupplyReader"] = partial(PowerSupplyReader, folder / "power_supply")
    vars(compose_index)["PressureReader"] = partial(
        PressureReader, folder / "pressure", folder / "groups", folder / "cgroup"
    )
    if LOW_PRIORITY not in os.environ:
        vars(worker_commands)["_INDEX_NICE"] = 0


def at_ease() -> IndexingThrottle:
    """Return the throttle of a machine without pressure, that never slows down by itself."""
    return IndexingThrottle(
        policy=ThrottlePolicy(CourtesyConfig()),
        read_power=Power,
        read_pressure=Pressure,
        save_pause=lambda _paused, _until: None,
        on_state_change=lambda _state: None,
    )


class Machine:
    """The folder, as a test changes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pressure").mkdir(parents=True)
        self.press()
        self.supply("AC", type="Mains", online="1")
        self.supply("BAT0", type="Battery", scope="System", status="Full", capacity="100")
        self.supply("hidpp_battery_0", type="Battery", scope="Device", status="Discharging", capacity="3")

    def supply(self, name: str, **values: str) -> None:
        """Write values of a power supply."""
        folder = self.folder / "power_supply" / name
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in values.items():
            _put(folder / key, f"{value}\n")

    def plug(self) -> None:
        """Plug the charger in."""
        self.supply("AC", online="1")
        self.supply("BAT0", status="Charging")

    def unplug(self, percent: int) -> None:
        """Run on a battery with this charge."""
        self.supply("BAT0", status="Discharging", capacity=str(percent))
        self.supply("AC", online="0")

    def press(self, memory: float = 0, io: float = 0) -> None:
        """Set the pressure of the whole machine."""
        for name, value in (("memory", memory), ("io", io)):
            _put(self.folder / "pressure" / name, psi(value))


def psi(some: float) -> str:
    """Return a pressure file as Linux 5.13 and newer write it."""
    return "".join(f"{kind} avg10={some:.2f} avg60=1.00 avg300=0.50 total=1234\n" for kind in ("some", "full"))


def _put(file: Path, text: str) -> None:
    """Replace a file atomically: a daemon may be reading it."""
    new = file.with_name(f".{file.name}")
    new.write_text(text)
    new.replace(file)
