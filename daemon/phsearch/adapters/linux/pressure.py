"""What the kernel says of pressure (PSI): how much of the time somebody stood still for want of memory or of a disk.

The machine's figures in /proc/pressure contain our own waiting: a daemon that reads photos from a slow disk waits for
nearly all of the time, which is nobody's concern. With control groups (version 2, as under systemd) each group has
figures of its own, so those are read that lie beside our group and beside each group around it: together they are
everybody but us. The highest of them counts.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from phsearch.domain.throttle.policy import Pressure

_SOME = re.compile(r"^some avg10=(\d+(?:\.\d+)?) ", re.MULTILINE)


class PressureReader:
    """Reads anew at each look: groups come and go with the programs in them."""

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
        """Look once; of a kernel that tells nothing there is nothing."""
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
        except OSError:  # no PSI in this kernel, or it is switched off, or the group has gone
            continue
        found += [float(number) for number in _SOME.findall(text)]
    return max(found, default=None)
