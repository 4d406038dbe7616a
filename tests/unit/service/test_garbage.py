"""What lives long is looked at by no garbage collection."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from phsearch.service.health.garbage import GarbageFreezer

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ring:
    """An object that only a collection can free."""

    def __init__(self) -> None:
        self.ring = self


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_objects_are_frozen_after_many_changes_and_garbage_is_freed_before() -> None:
    changes = [0]
    freezer = GarbageFreezer(lambda: changes[0])
    garbage = weakref.ref(Ring())
    changes[0] = 3_999
    freezer.check()
    assert gc.get_freeze_count() == 0
    changes[0] = 4_000
    freezer.check()
    frozen = gc.get_freeze_count()
    assert frozen > 1000
    assert garbage() is None
    later = Ring()
    freezer.check()
    assert gc.get_freeze_count() == frozen, "nothing has changed since"
    changes[0] = 8_000
    freezer.check()
    assert gc.get_freeze_count() > frozen
    del later
