"""Models by configuration: the bundled one, any open_clip folder, and every way a model cannot be had."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.audited import audited
from support.harness import NO_POWER_DAEMON, PHSEARCHD, TESTS, Daemon, photo, running, wait_until
from support.tiny_model import PICKLED

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two tiny models of one shape with different weights."""
    folder = tmp_path_factory.mktemp("models")
    first, second = folder / "1", folder / "2"
    subprocess.run([sys.executable, TESTS / "support" / "tiny_model.py", first, second], check=True)
    return first, second


def test_any_open_clip_folder_serves_and_other_weights_in_its_place_are_refused_until_rebuilt(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    first, second = models
    model = tmp_path / "model"
    model.symlink_to(first)
    settings = f'[model]\nname = "local-dir:{model}"\n[watch]\nsettle_seconds = 0.2\n'
    daemon = Daemon(tmp_path, NO_POWER_DAEMON, settings)
    for name in ("red", "green", "blue"):
        photo(daemon.photos / f"{name}.jpg", name)
    daemon.start()
    status = daemon.becomes(photos=3, pending=0, seconds=90)
    assert (status["model"]["state"], status["model"]["dim"]) == ("ready", 16)
    assert len(daemon.found("anything")) == 3
    daemon.stop()

    model.unlink()
    model.symlink_to(second)
    daemon.start()
    wait_until(lambda: daemon.status()["model"]["state"] == "mismatch", "the other weights are noticed", 60)
    photo(daemon.photos / "later.jpg", "white")
    done = daemon.cli("a", "cat", check=False)
    assert done.returncode == 1
    assert "other weights" in done.stderr
    assert "phsearchd --rebuild" in done.stderr
    assert daemon.status()["photos"] == 3
    daemon.stop()

    daemon.start("--rebuild")
    assert daemon.becomes(photos=4, pending=0, seconds=90)["counters"]["embedded"] == 4
    daemon.stop()


def test_two_models_whose_names_look_alike_have_an_index_each_and_rebuild_only_their_own(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings="[watch]\nsettle_seconds = 0.2\n")
    passes = tmp_path / "passes"
    daemon.env["FORWARD_PASSES"] = str(passes)
    photo(daemon.photos / "red.png", "red")

    def embedded(model: str, *options: str) -> int:
        passes.write_text("")
        daemon.start("--model", model, *options)
        daemon.becomes(photos=1, pending=0)
        wait_until(lambda: daemon.status()["model"]["name"] == model, "the model answers")
        daemon.stop()
        return len(passes.read_text().splitlines())

    one, other = "local-dir:/models/b32-256", "local-dir:/models/b32/256"
    assert (embedded(one), embedded(other)) == (1, 1)
    assert (embedded(one, "--rebuild"), embedded(other)) == (1, 0)


def test_another_model_is_exported_once_by_the_only_process_that_ever_loads_torch(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = f'[model]\nname = "local-dir:{models[0]}"\ndevice = "cpu"\n[watch]\nsettle_seconds = 0.2\n'
    for starts, exports in ((1, 1), (2, 0)):
        with audited(tmp_path / "home", settings) as (daemon, audit):
            photo(daemon.photos / f"{starts}.jpg", "red")
            daemon.becomes(photos=starts, pending=0, seconds=120)
            assert len(daemon.found("anything")) == starts
            assert runtime(daemon).startswith("OpenVINO")
            loaded_torch = [pid for pid in audit.workers() if "torch" in audit.imports[pid]]
            assert len(loaded_torch) == exports
            assert not [pid for pid in loaded_torch if "sympy" in audit.imports[pid]], "torch's compiler takes seconds"
        (graphs,) = daemon.state.glob("models/*/graphs")
        assert {path.name for path in graphs.iterdir()} == {"image.onnx", "text.onnx", "tokenizer.json", "graphs.json"}
        assert sum(path.stat().st_size for path in graphs.glob("*.onnx")) < 200_000, "they hold no weights"


def test_a_model_that_cannot_be_exported_runs_on_torch_and_doctor_says_why(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "two files"
    folder.mkdir()
    shutil.copy(models[0] / "open_clip_config.json", folder)
    for name in ("one", "other"):
        shutil.copy(models[0] / "open_clip_model.safetensors", folder / f"{name}.safetensors")
    settings = f'[model]\nname = "local-dir:{folder}"\ndevice = "cpu"\n[watch]\nsettle_seconds = 0.2\n'
    with running(tmp_path / "home", NO_POWER_DAEMON, settings) as daemon:
        photo(daemon.photos / "a.jpg", "red")
        daemon.becomes(photos=1, pending=0, seconds=120)
        assert len(daemon.found("anything")) == 1
        text = runtime(daemon)
        assert text.startswith("torch")
        assert text.endswith("the model cannot be exported: its folder holds several files of weights")


def runtime(daemon: Daemon) -> str:
    """Return what runs the model, as doctor says it."""
    return str(next(check["text"] for check in daemon.call("doctor")["checks"] if check["name"] == "runtime"))


@pytest.mark.parametrize("weights", ["pickle", "none"])
def test_a_model_that_cannot_be_loaded_is_one_sentence_with_a_remedy(
    models: tuple[Path, Path], tmp_path: Path, weights: str
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    shutil.copy(models[0] / "open_clip_config.json", model)
    if weights == "pickle":
        (model / "open_clip_pytorch_model.bin").write_bytes(PICKLED % str(tmp_path / "ran").encode())
        shutil.copy(models[0] / "open_clip_model.safetensors", model / "other.safetensors")
    daemon = Daemon(tmp_path, PHSEARCHD).start("--model", f"local-dir:{model}")
    try:
        reason = wait_until(lambda: daemon.status()["model"]["reason"], "the reason is in status", 60)
        assert ("weights are a pickle" if weights == "pickle" else "cannot be loaded") in reason
        assert ("convert it to safetensors" if weights == "pickle" else "model.") in daemon.status()["model"]["hint"]
        assert not (tmp_path / "ran").exists()
        assert daemon.status()["model"]["state"] == "unavailable"
        assert daemon.cli("status").stdout
        assert "Traceback" not in daemon.log.read_text()
    finally:
        daemon.stop()
