"""A scan makes up for events that were lost, also for files that are on their way into the index."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.domain.watch_events import Overflowed
from support.harness import photo
from support.index_rig import IndexRig
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_photo_that_goes_unseen_while_it_is_embedded_does_not_get_into_the_index(tmp_path: Path) -> None:
    root = Path(os.path.realpath(tmp_path)) / "photos"
    kept, gone = (str(photo(root / name, "red", (8, 8))) for name in ("kept.png", "gone.png"))

    async def scenario() -> None:
        rig = IndexRig(tmp_path / "state", [str(root)], Counter())

        async def until(condition: Callable[[], bool]) -> None:
            async with asyncio.timeout(scaled(10)):
                while not condition():
                    rig.check()
                    await asyncio.sleep(0.01)

        monitor = rig.monitors[str(root)]
        await until(lambda: rig.image_worker.paths == {kept, gone} and not monitor.busy)
        rig.image_worker.read_all()
        os.unlink(gone)
        passes = monitor.passes
        rig.dispatcher.dispatch(Overflowed(str(root)))
        await until(lambda: monitor.passes > passes)
        rig.image_worker.finish()
        await until(lambda: not rig.busy)
        assert {each.path for each in rig.library.photos()} == {kept}
        await rig.end(flush=False)

    asyncio.run(scenario())
