"""Pressure (PSI) from the kernel: the share of time in which some task waits for memory or for a disk.

The values for the machine in /proc/pressure include our own waiting. A daemon that reads photos from a slow disk waits
nearly all the time, which harms no other program. With control groups (version 2, as under systemd) each group has its
own values. So the values are read of the siblings of our group and of the siblings of each group above it: together
they are all processes but ours. The highest value counts.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from phsearch.domain.throttle.policy import Pressure

_SOME = re.compile(r"^some avg10=(\d+(?:\.\d+)?) ", re.MULTILINE)


class PressureReader:
    """Reads the pressure, from a new list of groups at each call: they come and go with their programs."""

    def __init__(
        self,
        proc: Path = Path("/proc/pressure"),
        groups: Path = Path("/sys/fs/cgroup"),
        own: Path = Path("/proc/self/cgroup"),
    ) -> None:
        self._proc = proc
        self._groups = groups
        self._own = own

    def read(self) -> Pressure:
        """Return the pressure now; it has no values if the kernel reports none."""
        beside = self._sibling_groups()
        memory, io = (_highest([folder / f"{kind}.pressure" for folder in beside]) for kind in ("memory", "io"))
        if memory is not None and io is not None:
            return Pressure(memory, io, others=True)
        return Pressure(_highest([self._proc / "memory"]), _highest([self._proc / "io"]))

    def _sibling_groups(self) -> list[Path]:
        beside: list[Path] = []
        try:
            lines = self._own.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            group = next((PurePosixPath(line[3:]) for line in lines if line.startswith("0::/")), PurePosixPath("/"))
            for inside in (group, *group.parents)[:-1]:
                folder = self._groups / str(inside.parent).lstrip("/")
                beside += [each for each in folder.iterdir() if each.name != inside.name and each.is_dir()]
        except OSError:
            return []
        return beside


def _highest(files: list[Path]) -> float | None:
    found = []
    for file in files:
        try:
            text = file.read_text(encoding="ascii", errors="replace")
        except OSError:  # this kernel has no PSI, or it is switched off, or the group is gone
            continue
        found += [float(number) for number in _SOME.findall(text)]
    return max(found, default=None)
