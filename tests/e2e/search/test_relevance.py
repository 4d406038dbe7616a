"""The cut-off as people see it: the real model, real photographs, and the messages of the client."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import skimage

from support.harness import NO_POWER_DAEMON, Daemon, running

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(skimage.__file__).parent / "data"
PHOTOS = {"chelsea.png": "cat.png", "grass.png": "lawn.png", "gravel.png": "stone.png", "coffee.png": "coffee.png"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("relevance")
    (home / "photos" / "three").mkdir(parents=True)
    for source, name in PHOTOS.items():
        folder = home / "photos" if name == "coffee.png" else home / "photos" / "three"
        shutil.copyfile(DATA / source, folder / name)
    with running(home, NO_POWER_DAEMON, "[watch]\nsettle_seconds = 0.2\n") as daemon:
        daemon.becomes(120, photos=4, pending=0, scanning=False)
        yield daemon


def hits(daemon: Daemon, *words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in daemon.cli("--json", *words).stdout.splitlines()]


def names(found: list[dict[str, object]]) -> list[str]:
    return [str(hit["path"]).rpartition("/")[2] for hit in found]


def test_only_relevant_photos_are_shown_and_the_others_with_all(daemon: Daemon) -> None:
    found = hits(daemon, "a cat")
    assert names(found) == ["cat.png"]
    assert found[0]["band"] == "strong"
    everything = hits(daemon, "a cat", "--all")
    assert len(everything) == 4
    assert [hit["band"] for hit in everything] == ["strong", "none", "none", "none"]
    relevances = [float(str(hit["relevance"])) for hit in everything]
    assert relevances == sorted(relevances, reverse=True), "the order is that of the scores"


@pytest.mark.parametrize("query", ["giraffe", "a birthday cake with candles", "people skiing"])
def test_a_query_without_relevant_photos_shows_none_and_says_so(daemon: Daemon, query: str) -> None:
    done = daemon.cli(query)
    assert done.stdout == ""
    assert done.stderr == f'no photo of "{query}": the closest ones are shown with --all\n'


def test_the_cat_has_nearly_the_whole_softmax_of_lawn_cat_and_stone(daemon: Daemon) -> None:
    found = hits(daemon, "cat", "in:three", "--all", "--softmax")
    assert len(found) == 3
    assert names(found)[0] == "cat.png"
    assert float(str(found[0]["share"])) > 0.98
    assert sum(float(str(hit["share"])) for hit in found) == pytest.approx(1, abs=0.001)


def test_minimum_bands_and_minimum_probabilities(daemon: Daemon) -> None:
    assert names(hits(daemon, "coffee", "--min", "weak"))[0] == "coffee.png"
    assert names(hits(daemon, "coffee", "--min", "0.99")) == []
    assert len(hits(daemon, "coffee", "--min", "0")) == 4


def test_another_script_is_refused_with_a_hint_at_another_model(daemon: Daemon) -> None:
    for query in ("海滩日落", "cat -狗"):
        done = daemon.cli(*query.split(), check=False)
        assert done.returncode == 1
        assert 'the model "mini" understands English only' in done.stderr
        assert "`phsearch-client model use multilingual`" in done.stderr


def test_like_ranks_by_the_photo(daemon: Daemon) -> None:
    # The first such query starts a worker, which on a slow machine measures bfloat16 for half a minute.
    found = hits(daemon, "--timeout=55", f"like:{DATA / 'chelsea.png'}")
    assert names(found) == ["cat.png"]
    assert float(str(found[0]["score"])) > 0.99
    mixed = hits(daemon, f"like:{DATA / 'chelsea.png'}", "+coffee", "--all", "-n2")
    assert set(names(mixed)) == {"cat.png", "coffee.png"}


def test_why_says_how_probable_a_photo_is(daemon: Daemon) -> None:
    match = daemon.call("library.why", path=str(daemon.photos / "three/cat.png"), query="cat")["match"]
    assert (match["rank"], match["band"]) == (1, "strong")
    assert "relevance 0." in match["text"] or "relevance 1." in match["text"]
    other = daemon.call("library.why", path=str(daemon.photos / "three/lawn.png"), query="cat")["match"]
    assert other["band"] == "none"
    assert "--all" in other["text"]
