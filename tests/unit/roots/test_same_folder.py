"""What the paths of photos become when roots get other names: plain logic, no disk."""

from __future__ import annotations

import pytest

from phsearch.domain.roots.roots import Roots
from phsearch.domain.roots.same_folder import RealFolder, Respelling

PLACES = {
    "/pics": RealFolder("/mnt/data/pics", (), (1, 1)),
    "/other": RealFolder("/mnt/data/pics", (), (1, 1)),
    "/mnt/data/pics": RealFolder("/mnt/data/pics", (), (1, 1)),
    "/mnt/data/PICS": RealFolder("/mnt/data/PICS", (), (1, 1)),
    "/bound": RealFolder("/bound", ("/mnt/data/pics",)),
    "/trip": RealFolder("/mnt/data/pics/trip", (), (1, 2)),
    "/mnt": RealFolder("/mnt", (), (1, 3)),
    "/away": RealFolder("/away", (), (2, 1)),
    "/gone": RealFolder("/gone"),
    "/": RealFolder("/", (), (1, 0)),
}


@pytest.mark.parametrize(
    ("roots", "path", "now"),
    [
        (["/mnt/data/pics"], "/pics/a/b.jpg", "/mnt/data/pics/a/b.jpg"),
        (["/pics"], "/mnt/data/pics/b.jpg", "/pics/b.jpg"),
        (["/other"], "/pics/b.jpg", "/other/b.jpg"),
        (["/mnt/data/PICS"], "/mnt/data/pics/b.jpg", "/mnt/data/PICS/b.jpg"),
        (["/mnt/data/pics"], "/bound/b.jpg", "/mnt/data/pics/b.jpg"),
        (["/bound"], "/mnt/data/pics/b.jpg", "/bound/b.jpg"),
        (["/mnt"], "/pics/b.jpg", "/mnt/data/pics/b.jpg"),
        (["/"], "/pics/b.jpg", "/mnt/data/pics/b.jpg"),
        (["/trip"], "/pics/trip/b.jpg", "/trip/b.jpg"),
        (["/trip"], "/pics/triple/b.jpg", "/pics/triple/b.jpg"),
        (["/trip", "/mnt/data/pics"], "/pics/trip/b.jpg", "/trip/b.jpg"),
        (["/trip", "/mnt/data/pics"], "/pics/b.jpg", "/mnt/data/pics/b.jpg"),
        (["/pics", "/trip"], "/pics/trip/b.jpg", "/trip/b.jpg"),
        (["/pics", "/other"], "/other/b.jpg", "/pics/b.jpg"),
        (["/pics", "/other"], "/pics/b.jpg", "/pics/b.jpg"),
        (["/other", "/mnt", "/pics"], "/pics/b.jpg", "/other/b.jpg"),
        (["/away", "/pics"], "/away/b.jpg", "/away/b.jpg"),
        (["/pics"], "/away/b.jpg", "/away/b.jpg"),
        (["/pics"], "/gone/b.jpg", "/gone/b.jpg"),
        (["/pics"], "/elsewhere/b.jpg", "/elsewhere/b.jpg"),
        ([], "/pics/b.jpg", "/pics/b.jpg"),
    ],
)
def test_a_photo_gets_the_path_that_its_folder_has_in_the_roots_of_now(roots: list[str], path: str, now: str) -> None:
    respelling = Respelling(Roots(roots), PLACES)
    assert respelling.path_now(path) == now
    if Roots(roots).root_of(now) is not None:
        assert respelling.path_now(now) == now, "and keeps it"
