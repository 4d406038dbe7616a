"""Random changes of photo folders, as people and programs make them: all the time, without a notice to the daemon.

There are two threads. One copies photos in, mostly bit by bit, with the progress of the torture. The other renames,
moves, copies, links, rewrites, touches and deletes what is there. A photo that was deleted never comes back, so that
a content that is embedded twice was embedded once too often.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import threading
from collections import Counter
from typing import TYPE_CHECKING

from torture.index.expected import photos_on_disk
from torture.photos import with_other_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

_FOLDERS = ("", "2021", "2022/summer", "2022/winter", "the cat's", "Übersee", os.fsdecode(b"odd \xff bytes"))
_YEAR = 365 * 86_400


class FolderChanges:
    """Changes the folders until it is stopped; `progress` returns the progress of the torture, from 0 to 1."""

    def __init__(
        self,
        roots: Sequence[Path],
        supply: Sequence[Path],
        seed: int,
        progress: Callable[[], float],
        pause: float = 0.4,
    ) -> None:
        self.done: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self._roots = roots
        self._supply = supply
        self._progress = progress
        self._pause = pause
        self._names = 0
        self._growing: set[int] = set()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._record_failure, args=(work, random.Random(f"{seed} {work.__name__}")), daemon=True
            )
            for work in (self._copy_photos_in, self._change_files)
        ]

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Wait until every photo is copied, and stop."""
        self._threads[0].join()
        self._end.set()
        self._threads[1].join()
        if self.failure is not None:
            raise self.failure

    def _record_failure(self, work: Callable[[random.Random], None], rng: random.Random) -> None:
        try:
            work(rng)
        except BaseException as error:  # noqa: BLE001 - raised again by finish
            self.failure = error

    # --- new photos -------------------------------------------------------------------------------------------

    def _copy_photos_in(self, rng: random.Random) -> None:
        for number, photo in enumerate(self._supply):
            while number > self._progress() * len(self._supply) * 1.05 + 5:
                self._end.wait(0.02)
            folder = self._folder(rng)
            way = rng.choice((self._bit_by_bit, self._bit_by_bit, self._by_rename, self._at_once, self._with_its_date))
            with contextlib.suppress(FileNotFoundError):  # its folder was moved away: try another one
                way(photo, folder / f"{number:04}{photo.suffix}", rng)
                continue
            self._at_once(photo, self._roots[0] / f"{number:04}{photo.suffix}", rng)

    def _bit_by_bit(self, photo: Path, target: Path, rng: random.Random) -> None:
        data = photo.read_bytes()
        with self._growth(target) as file:
            size = len(data) // rng.randint(2, 6) + 1
            for start in range(0, len(data), size):
                file.write(data[start : start + size])
                file.flush()
                # Sometimes longer than any settling time.
                self._end.wait(rng.uniform(0, self._pause) if rng.random() < 0.95 else 4 * self._pause)
        self.done["copied in bit by bit"] += 1

    def _by_rename(self, photo: Path, target: Path, rng: random.Random) -> None:
        data = photo.read_bytes()
        part = target.with_name(target.name + ".tmp")
        with self._growth(part) as file:
            file.write(data[: len(data) // 2])
            file.flush()
            self._end.wait(rng.uniform(0, self._pause))
            file.write(data[len(data) // 2 :])
        with self._lock:
            part.rename(target)
        self.done["renamed in"] += 1

    def _at_once(self, photo: Path, target: Path, _: random.Random) -> None:
        with self._lock:
            shutil.copyfile(photo, target)
        self.done["copied in"] += 1

    def _with_its_date(self, photo: Path, target: Path, rng: random.Random) -> None:
        with self._lock:
            shutil.copyfile(photo, target)
            when = target.stat().st_mtime - rng.uniform(1, _YEAR)
            os.utime(target, (when, when))
        self.done["copied in with its date"] += 1

    @contextlib.contextmanager
    def _growth(self, target: Path) -> Iterator[BinaryIO]:
        """Open a file; the other thread does not copy or rewrite it before it is complete."""
        with self._lock:
            file = target.open("wb")
            inode = os.fstat(file.fileno()).st_ino
            self._growing.add(inode)
        try:
            with file:
                yield file
        finally:
            with self._lock:
                self._growing.discard(inode)

    def _folder(self, rng: random.Random) -> Path:
        folder = rng.choice(self._roots) / rng.choice(_FOLDERS)
        with self._lock:
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    # --- changes to them --------------------------------------------------------------------------------------

    def _change_files(self, rng: random.Random) -> None:
        deeds: list[tuple[Callable[[list[Path], random.Random], None], int]] = [
            (self._rename, 6),
            (self._move_folder, 1),
            (self._copy, 2),
            (self._link, 1),
            (self._touch, 2),
            (self._rewrite, 4),
            (self._replace, 4),
            (self._delete, 2),
            (self._rewrite_many, 1),
        ]
        while not self._end.wait(rng.uniform(0, self._pause)):
            (deed,) = rng.choices([deed for deed, _ in deeds], [weight for _, weight in deeds])
            with self._lock:
                photos = [path for path in photos_on_disk(self._roots) if path.stat().st_ino not in self._growing]
                if photos:
                    deed(photos, rng)
                    self.done[deed.__name__.strip("_").replace("_", " ")] += 1

    def _rename(self, photos: list[Path], rng: random.Random) -> None:
        photo = rng.choice(photos)
        folder = rng.choice((photo.parent, rng.choice(photos).parent))
        photo.rename(folder / self._name(photo))

    def _move_folder(self, photos: list[Path], rng: random.Random) -> None:
        folder = rng.choice(photos).parent
        if folder not in self._roots:
            folder.rename(rng.choice(self._roots) / f"moved {self._number()}")

    def _copy(self, photos: list[Path], rng: random.Random) -> None:
        photo = rng.choice(photos)
        how = rng.choice((shutil.copyfile, shutil.copy2))
        how(photo, photo.with_name(self._name(photo)))

    def _link(self, photos: list[Path], rng: random.Random) -> None:
        photo = rng.choice(photos)
        photo.with_name(self._name(photo)).hardlink_to(photo)

    def _touch(self, photos: list[Path], rng: random.Random) -> None:
        os.utime(rng.choice(photos))

    def _rewrite(self, photos: list[Path], rng: random.Random) -> None:
        rng.choice(photos).write_bytes(self._fresh(rng))

    def _rewrite_many(self, photos: list[Path], rng: random.Random) -> None:
        for photo in rng.sample(photos, min(len(photos), 25)):
            photo.write_bytes(self._fresh(rng))

    def _replace(self, photos: list[Path], rng: random.Random) -> None:
        photo = rng.choice(photos)
        part = photo.with_name(".part")
        part.write_bytes(self._fresh(rng))
        part.rename(photo)

    def _delete(self, photos: list[Path], rng: random.Random) -> None:
        # If hardly any are left, keep them.
        if len(photos) > len(self._supply) // 10:
            rng.choice(photos).unlink()

    def _fresh(self, rng: random.Random) -> bytes:
        """Return a new content."""
        return with_other_content(rng.choice(self._supply), self._number())

    def _name(self, photo: Path) -> str:
        return f"again {self._number()}{photo.suffix}"

    def _number(self) -> int:
        self._names += 1
        return self._names
