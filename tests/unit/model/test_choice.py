"""Which model is wanted: that of a command, until the settings are changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.state.model_choice_file import ModelChoiceFile
from phsearch.domain.model.catalog import CATALOG, PRESETS, find_model, resolve_name
from phsearch.domain.model.choice import ModelChoice
from phsearch.domain.problems import Problems
from phsearch.domain.types import ModelName
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

MINI, LARGE, OTHER = ModelName("mini"), ModelName("ViT-L-14", "openai"), ModelName("local-dir:/m")
DAY = 86_400.0


def test_without_a_choice_it_is_the_model_of_the_settings() -> None:
    assert ModelChoice().wanted(MINI) == MINI


def test_a_choice_holds_until_the_settings_are_changed() -> None:
    choice = ModelChoice().choose(LARGE, MINI)
    assert choice.wanted(MINI) == LARGE
    assert choice.wanted(OTHER) == OTHER
    assert choice.choose(MINI, MINI).wanted(OTHER) == OTHER


def test_a_model_that_was_left_is_kept_for_its_days_and_no_longer_when_it_answers_again() -> None:
    choice = ModelChoice(active=MINI).activate(LARGE, 1000.0)
    assert (choice.active, choice.left) == (LARGE, {MINI: 1000.0})
    assert choice.expired(30, 1000.0 + 30 * DAY) == []
    assert choice.expired(30, 1001.0 + 30 * DAY) == [MINI]
    assert choice.activate(MINI, 2000.0).left == {LARGE: 2000.0}
    assert choice.forget(MINI).left == {}
    assert choice.activate(LARGE, 3000.0).left == {MINI: 1000.0}


def test_a_choice_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = ModelChoiceFile(tmp_path / "model.json", Problems())
    assert file.load() == ModelChoice()
    odd = ModelName("local-dir:/m/\udcff\n", "")
    choice = ModelChoice(active=MINI, chosen=odd, configured=LARGE, left={OTHER: 1.5, LARGE: 2.0})
    file.save(choice)
    assert file.load() == choice


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[}",
        b"[]",
        b"{}",
        b'{"active": "mini", "chosen": null, "configured": null, "left": []}',
        b'{"active": [1, ""], "chosen": null, "configured": null, "left": []}',
        b'{"active": null, "chosen": null, "configured": null, "left": [["mini", "", "soon"]]}',
        b'{"active": null, "chosen": null, "configured": null, "left": [["mini"]]}',
    ],
)
def test_a_file_that_makes_no_sense_is_reported_until_a_model_is_chosen_again(tmp_path: Path, content: bytes) -> None:
    problems = Problems()
    path = tmp_path / "model.json"
    path.write_bytes(content)
    file = ModelChoiceFile(path, problems)
    assert file.load() == ModelChoice()
    (problem,) = problems
    assert "model.json" in problem.text
    file.save(ModelChoice(active=MINI))
    assert list(problems) == [problem]
    file.save(ModelChoice(active=MINI).choose(LARGE, MINI))
    assert list(problems) == []


def test_a_choice_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    file = ModelChoiceFile(tmp_path / "missing" / "model.json", Problems())
    with pytest.raises(StoreError, match=r"cannot write .*model\.json"):
        file.save(ModelChoice())


def test_the_owner_may_name_a_model_in_many_ways() -> None:
    assert resolve_name("fast", "") == MINI
    assert resolve_name("multilingual", "") == ModelName("ViT-B-32-SigLIP2-256", "webli")
    assert resolve_name("ViT-B-16-SigLIP2-256", "") == ModelName("ViT-B-16-SigLIP2-256", "webli")
    assert resolve_name("ViT-L-14/openai", "") == LARGE
    assert resolve_name("ViT-L-14", "openai") == LARGE
    assert resolve_name("ViT-L-14", "/weights/mine.safetensors") == ModelName("ViT-L-14", "/weights/mine.safetensors")
    assert resolve_name("local-dir:/m", "") == OTHER
    assert resolve_name("unheard", "") == ModelName("unheard")
    assert resolve_name("ViT-B/32", "") == ModelName("ViT-B/32")


def test_the_catalog_is_short_and_says_where_each_figure_comes_from() -> None:
    assert set(PRESETS) == {"fast", "balanced", "multilingual", "best"}
    assert len(CATALOG) <= 6
    for each in CATALOG:
        assert find_model(each.model) is each
        assert " by " in each.quality
        assert each.disk_mb(100_000) < each.ram_mb(100_000)
        assert json.dumps(each.languages)
    assert find_model(OTHER) is None
