"""Models on the command line: their table, a change under way as one line, and what a typed name means."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from phsearch.cli.options import absolute_model
from phsearch.cli.render.models import format_models, format_needs, format_switch
from phsearch.cli.terminal import Console
from phsearch.wire.results.daemon import DownloadStatus, SwitchStatus
from phsearch.wire.results.model import ModelEntry, ModelList

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def change(**values: object) -> SwitchStatus:
    known: dict[str, object] = {"name": "x", "pretrained": "y", "state": "indexing", "done": 5, "total": 1_000}
    return SwitchStatus(**(known | values))  # type: ignore[arg-type]


def test_a_change_is_one_line_that_says_how_far_it_is() -> None:
    assert format_switch(change()) == "x/y: indexing, 5 of 1,000 photos"
    assert format_switch(change(rate=12.34, eta=80, failed=2, index_mb=3.4)) == (
        "x/y: indexing, 5 of 1,000 photos, 12.3 a second, 1 min 20 s left, 3.4 MB on the disk in the end, "
        "2 cannot be embedded"
    )
    download = DownloadStatus(done=2_000_000, total=605_000_000, eta=61)
    assert format_switch(change(state="downloading", download=download)) == (
        "x/y: downloading 2 of 605 MB, 1 min 1 s left"
    )
    assert format_switch(change(state="waiting", reason="no room\x1b[31m", hint="make some")) == (
        r"x/y: waiting, 5 of 1,000 photos; no room\x1b[31m: make some"
    )


def test_what_a_change_needs_is_said_before_it() -> None:
    assert format_needs(change()) == ""
    assert format_needs(change(download_mb=606, index_mb=0.4)) == " (up to 606 MB to download, 400 KB of index)"
    assert format_needs(change(download_mb=0, index_mb=12.0)) == " (12.0 MB of index)"


def test_a_table_of_models_fits_and_says_where_the_figures_come_from() -> None:
    entry = ModelEntry(
        name="ViT-B-32-256",
        pretrained="datacomp",
        preset="balanced",
        state="kept",
        languages="English",
        download_mb=606,
        disk_mb=120.4,
        ram_mb=895.0,
        quality="ImageNet 72.8 %, by a table",
        seconds=3_700.0,
        index_mb=0.0,
    )
    models = ModelList(models=(entry, ModelEntry(name="n\x1b", pretrained="")), photos=9, measured=4)
    text = format_models(models, Console(io.BytesIO(), terminal=True, width=200))
    assert "balanced" in text
    assert "1 h 1 min" in text
    assert "ViT-B-32-256/datacomp" in text
    assert "balanced: ImageNet 72.8 %, by a table" in text
    assert "\x1b" not in text
    assert max(map(len, format_models(models, Console(io.BytesIO(), terminal=True, width=60)).splitlines()[:3])) <= 60
    piped = format_models(models, Console(io.BytesIO()))
    assert [line.rpartition("\t")[2] for line in piped.splitlines()] == ["ViT-B-32-256/datacomp", "n\x1b"]


def test_a_folder_that_was_typed_is_that_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "PWD", str(tmp_path))
    assert absolute_model("local-dir:models/mine") == f"local-dir:{tmp_path}/models/mine"
    for name in ("local-dir:/models/mine", "local-dir:~/mine", "mini", "ViT-B-32/openai", "local-directory"):
        assert absolute_model(name) == name
