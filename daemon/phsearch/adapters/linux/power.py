"""Batteries and chargers, from /sys/class/power_supply.

The machine runs on mains power if a charger of type Mains is online. A USB charger may be online while it supplies
another device, so there a discharging battery decides instead. Batteries of mice (scope Device) do not count.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from phsearch.domain.throttle.policy import Power

_BATTERY_TYPES = ("Battery", "UPS")
_BATTERY_FILES = (
    "present", "status", "capacity", "capacity_level", "energy_now", "energy_full", "charge_now", "charge_full"
)  # fmt: skip
_CHARGING = ("Charging", "Full", "Not charging")


class PowerSupplyReader:
    """Reads the folder of power supplies, all of it at each call: docks and batteries come and go."""

    def __init__(self, folder: Path = Path("/sys/class/power_supply")) -> None:
        self._folder = folder

    def read(self) -> Power:
        """Return the power state; a machine without a battery is never on battery."""
        chargers: list[dict[str, str]] = []
        batteries: list[dict[str, str]] = []
        for supply in self._supplies():
            if supply.get("scope") == "Device":
                continue
            if supply.get("type") not in _BATTERY_TYPES:
                chargers.append(supply)
            elif supply.get("present") != "0":
                batteries.append(supply)
        return Power(_discharging(chargers, batteries), _percent(batteries))

    def _supplies(self) -> list[dict[str, str]]:
        try:
            folders = sorted(self._folder.iterdir())
        except OSError:
            return []
        return [_values(folder) for folder in folders]


def _values(folder: Path) -> dict[str, str]:
    values = _read(folder, ("type", "scope"))
    return values | _read(folder, _BATTERY_FILES if values.get("type") in _BATTERY_TYPES else ("online",))


def _read(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for name in names:
        # The file is missing, or the firmware refuses it at this moment (ENODEV, EAGAIN).
        with contextlib.suppress(OSError):
            values[name] = (folder / name).read_text(encoding="ascii", errors="replace").strip()
    return values


def _discharging(chargers: list[dict[str, str]], batteries: list[dict[str, str]]) -> bool:
    online = [charger.get("type") for charger in chargers if charger.get("online", "0") != "0"]
    states = [battery.get("status") for battery in batteries]
    if "Mains" in online or not states:
        return False
    if "Discharging" in states:
        return True
    # Some firmware reports "Unknown" for a battery in use.
    return bool(chargers) and not online and not any(state in _CHARGING for state in states)


def _percent(batteries: list[dict[str, str]]) -> int | None:
    """Return the charge of all batteries together: the mean would be wrong for two of different sizes."""
    for kind in ("energy", "charge"):
        amounts = [_charge(battery, kind) for battery in batteries]
        known = [amount for amount in amounts if amount is not None]
        if known and len(known) == len(batteries):
            return _clamp_percent(100 * sum(now for now, _ in known) / sum(full for _, full in known))
    capacities = [number for battery in batteries if (number := _number(battery.get("capacity"))) is not None]
    if capacities:
        return _clamp_percent(sum(capacities) / len(capacities))
    return 0 if any(battery.get("capacity_level") == "Critical" for battery in batteries) else None


def _charge(battery: dict[str, str], kind: str) -> tuple[int, int] | None:
    now, full = _number(battery.get(f"{kind}_now")), _number(battery.get(f"{kind}_full"))
    return (now, full) if now is not None and full else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _clamp_percent(percent: float) -> int:
    return min(max(round(percent), 0), 100)
