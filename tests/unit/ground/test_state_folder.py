"""Every path that the state folder knows is among what `uninstall --purge` removes."""

from __future__ import annotations

from pathlib import Path

from phsearch.paths import StateFolder


def test_entries_hold_every_path_that_the_folder_knows() -> None:
    folder = StateFolder(Path("/state"))
    known = {path for path in vars(folder).values() if path != folder.path}
    entries = set(folder.entries())
    assert all(path in entries or entries.intersection(path.parents) for path in known)
    assert all(path.parent == folder.path for path in entries)
