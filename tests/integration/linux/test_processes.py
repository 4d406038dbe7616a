"""What a process gives back to the system."""

from __future__ import annotations

import mmap
import random
from typing import TYPE_CHECKING

from phsearch.adapters.linux import processes

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 32 << 20


def test_what_was_read_of_a_mapped_file_is_given_back_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    content = random.Random(0).randbytes(4096) * (SIZE // 4096)
    path.write_bytes(content)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        before = resident_kb(path)
        assert mapped[:] == content
        assert resident_kb(path) > before + (SIZE >> 11)
        processes.release_mapped_files()
        assert resident_kb(path) == 0
        assert mapped[:] == content


def resident_kb(path: Path) -> int:
    """Return how much of a mapped file is in the memory of this process."""
    with open("/proc/self/smaps", encoding="utf-8") as lines:
        for line in lines:
            if line.rstrip().endswith(str(path)):
                return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))
    return 0
