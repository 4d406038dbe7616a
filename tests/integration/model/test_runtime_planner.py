"""The plan for a machine and a model is made once, and whatever does not work is left for the next runtime."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phsearch.config import ModelConfig
from phsearch.domain.model.runtime import Hardware
from phsearch.errors import GraphError, ModelUnavailableError
from phsearch.model_files import BUNDLED, MANIFEST, exporter_versions, input_states, read_manifest
from phsearch.service.workers.limits import StalledError
from phsearch.service.workers.model_download import DownloadProgress
from phsearch.service.workers.process import WorkerDiedError
from phsearch.service.workers.runtime_planner import ModelFolder, RuntimePlanner

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.types import RuntimePlan
    from phsearch.service.workers.command import TowerKind, WorkerSetup
    from phsearch.wire.results.daemon import DownloadStatus

    Answer = Exception | dict[str, Any] | Callable[[WorkerSetup], dict[str, Any]]

PLAIN, BF16 = Hardware(processor="old"), Hardware(processor="new", bf16=True)
INTEL = Hardware(processor="old", intel_gpu=True)
OTHER = ModelConfig(name="local-dir:/models/b32")
HUB = ModelConfig(name="ViT-B-32", pretrained="laion2b_s34b_b79k")
FASTER = {"op": "probed", "seconds": 0.1, "plain_seconds": 0.3, "cosine": 0.9995}


class Rig:
    """A planner whose workers answer as a test says."""

    def __init__(self, tmp_path: Path, config: ModelConfig | None = None, hardware: Hardware = PLAIN) -> None:
        self.folder = ModelFolder(path=tmp_path / "models" / "one")
        tmp_path.mkdir(exist_ok=True)
        self.weights = tmp_path / "weights.safetensors"
        self.weights.write_bytes(b"numbers")
        self.setups: list[WorkerSetup] = []
        self.answers: dict[str, Answer] = {
            "export": self.export,
            "download": {"op": "downloaded", "files": [str(self.weights)]},
        }
        self.says: list[dict[str, Any]] = []
        """What a download says of its progress."""
        self.reports: list[DownloadStatus | None] = []
        self.config = config or ModelConfig()
        self.hardware = hardware
        self.progress = DownloadProgress()
        self.planner = self.restarted()

    def restarted(self) -> RuntimePlanner:
        """Return the planner of a daemon that has just been started."""
        self.planner = RuntimePlanner(
            config=self.config,
            folder=self.folder,
            hardware=lambda: self.hardware,
            run_worker=self.run_worker,
            progress=self.progress,
        )
        return self.planner

    async def run_worker(
        self, setup: WorkerSetup, on_progress: Callable[[dict[str, Any]], None] | None
    ) -> dict[str, Any]:
        self.setups.append(setup)
        answer = self.answers[setup.tower]
        for header in self.says:
            if on_progress is not None:
                on_progress(header)
                self.reports.append(self.progress.report())
        if isinstance(answer, Exception):
            raise answer
        return answer(setup) if callable(answer) else answer

    def export(self, setup: WorkerSetup) -> dict[str, Any]:
        folder = Path(setup.folder)
        (folder / "image.onnx").write_bytes(b"graph")
        manifest = dataclasses.replace(
            read_manifest(BUNDLED["mini"]),
            weights=str(self.weights),
            inputs=input_states([str(self.weights)]),
            digests={"image.onnx": hashlib.sha256(b"graph").hexdigest()},
            versions=exporter_versions(),
        )
        (folder / MANIFEST).write_bytes(manifest.to_json())
        return {"op": "exported"}

    def plan(self, tower: TowerKind = "image") -> RuntimePlan:
        return asyncio.run(self.planner.make_plan(tower))

    def step_back(self, plan: RuntimePlan, error: Exception) -> bool:
        return asyncio.run(self.planner.step_back("image", plan, error))

    @property
    def ran(self) -> list[str]:
        return [setup.tower for setup in self.setups]


def runs_on(plan: RuntimePlan) -> tuple[str, str, str]:
    return plan.runtime, plan.device, plan.precision


def test_the_bundled_model_on_a_plain_processor_needs_no_worker_to_plan(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for tower in ("image", "text", "like"):
        assert runs_on(rig.plan(tower)) == ("openvino", "cpu", "fp32")
        assert rig.plan(tower).folder == str(BUNDLED["mini"])
    assert rig.ran == []


def test_bfloat16_is_measured_once_for_both_towers_and_every_start(tmp_path: Path) -> None:
    rig = Rig(tmp_path, hardware=BF16)
    rig.answers["probe"] = FASTER
    assert runs_on(rig.plan("image")) == ("openvino", "cpu", "bf16")
    assert runs_on(rig.plan("text")) == ("openvino", "cpu", "bf16")
    assert rig.plan().why.precision == "measured 3.0 times as fast as fp32, with the same answers"
    rig.restarted()
    assert rig.plan().precision == "bf16"
    assert rig.ran == ["probe"]
    rig.hardware = dataclasses.replace(BF16, processor="another")
    rig.restarted()
    rig.plan()
    assert rig.ran == ["probe", "probe"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (FASTER | {"cosine": 0.99}, "bf16 gives other answers"),
        (FASTER | {"seconds": 0.29}, "bf16 is only 1.0 times as fast"),
        (WorkerDiedError(-4), "bf16 does not work: it was ended by SIGILL"),
        (StalledError("it has done nothing for 300 s"), "bf16 does not work: it has done nothing"),
    ],
)
def test_a_precision_that_is_not_worth_it_or_kills_its_worker_is_not_used(
    tmp_path: Path, answer: Answer, reason: str
) -> None:
    rig = Rig(tmp_path, hardware=BF16)
    rig.answers["probe"] = answer
    assert runs_on(rig.plan()) == ("openvino", "cpu", "fp32")
    assert rig.plan().why.precision.startswith(reason)
    rig.restarted()
    assert rig.plan().why.precision.startswith(reason)
    assert rig.ran == ["probe"]


def test_the_owner_s_precision_is_not_measured(tmp_path: Path) -> None:
    assert runs_on(Rig(tmp_path / "a", ModelConfig(precision="bf16"), BF16).plan()) == ("openvino", "cpu", "bf16")
    assert runs_on(Rig(tmp_path / "b", ModelConfig(precision="fp32"), BF16).plan()) == ("openvino", "cpu", "fp32")
    half = Rig(tmp_path / "c", ModelConfig(precision="fp16"), BF16).plan()
    assert (half.runtime, half.device, half.precision) == ("torch", "cpu", "fp16")
    assert "no fp16 for OpenVINO" in half.why.runtime


def test_another_model_is_exported_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path, OTHER)
    assert rig.plan().folder == str(rig.folder.graphs)
    assert rig.plan("text").runtime == "openvino"
    rig.restarted()
    assert rig.plan().runtime == "openvino"
    assert rig.ran == ["export"]


@pytest.mark.parametrize(
    "damage", ["cut short", "swapped", "of another version", "weights changed", "weights moved", "no manifest"]
)
def test_graphs_that_are_not_those_of_the_weights_are_exported_again(tmp_path: Path, damage: str) -> None:
    rig = Rig(tmp_path, OTHER)
    rig.plan()
    graph, manifest = rig.folder.graphs / "image.onnx", rig.folder.graphs / MANIFEST
    match damage:
        case "cut short":
            graph.write_bytes(b"gra")
        case "swapped":
            graph.write_bytes(b"other")
        case "of another version":
            manifest.write_bytes(manifest.read_bytes().replace(exporter_versions()["openvino"].encode(), b"1"))
        case "weights changed":
            rig.weights.write_bytes(b"other numbers")
        case "weights moved":
            rig.weights.rename(tmp_path / "elsewhere")
            rig.weights.symlink_to(tmp_path / "elsewhere")
        case _:
            manifest.unlink()
    rig.restarted()
    assert rig.plan().runtime == "openvino"
    assert rig.ran == ["export", "export"]


def test_weights_that_change_while_the_daemon_runs_are_noticed_at_the_next_start_of_a_worker(tmp_path: Path) -> None:
    rig = Rig(tmp_path, OTHER)
    rig.plan()
    rig.weights.write_bytes(b"other numbers")
    assert rig.plan().runtime == "openvino"
    assert rig.ran == ["export", "export"]


def test_a_model_that_cannot_be_exported_runs_on_torch_and_is_not_tried_at_every_start(tmp_path: Path) -> None:
    rig = Rig(tmp_path, OTHER)
    rig.answers["export"] = GraphError("a part of it has no counterpart in ONNX")
    for _ in range(2):
        assert runs_on(rig.plan()) == ("torch", "cpu", "auto")
        assert rig.plan().why.runtime == ("the model cannot be exported: a part of it has no counterpart in ONNX")
        rig.restarted()
    assert rig.ran == ["export"]
    assert not list(rig.folder.path.glob("*.part"))


def test_a_refused_model_is_tried_again_when_its_folder_changes(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.safetensors").write_bytes(b"one")
    (folder / "b.safetensors").write_bytes(b"two")
    rig = Rig(tmp_path, ModelConfig(name=f"local-dir:{folder}"))
    rig.answers["export"] = GraphError("its folder holds several files of weights")
    assert rig.plan().runtime == "torch"
    rig.restarted()
    assert (rig.plan().runtime, rig.ran) == ("torch", ["export"])
    (folder / "b.safetensors").unlink()
    rig.answers["export"] = rig.export
    rig.restarted()
    assert rig.plan().runtime == "openvino"


def test_an_export_that_dies_is_tried_again_at_the_next_start(tmp_path: Path) -> None:
    rig = Rig(tmp_path, OTHER)
    rig.answers["export"] = WorkerDiedError(-9)
    assert rig.plan().runtime == "torch"
    rig.answers["export"] = rig.export
    rig.restarted()
    assert rig.plan().runtime == "openvino"


def test_weights_that_cannot_be_had_are_an_error_and_no_reason_for_another_runtime(tmp_path: Path) -> None:
    rig = Rig(tmp_path, OTHER)
    rig.answers["export"] = ModelUnavailableError("there are no weights", "connect to the network")
    with pytest.raises(ModelUnavailableError):
        rig.plan()
    rig.answers["export"] = rig.export
    assert rig.plan().runtime == "openvino"


def test_a_state_folder_that_cannot_be_written_costs_only_speed(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    assert (Rig(tmp_path).plan().runtime, Rig(tmp_path).plan().cache) == ("openvino", "")
    other = Rig(tmp_path, OTHER).plan()
    assert other.runtime == "torch"
    assert "cannot be kept" in other.why.runtime


def test_a_machine_without_openvino_runs_on_torch_and_says_so(tmp_path: Path) -> None:
    plan = Rig(tmp_path, hardware=Hardware(openvino=False)).plan()
    assert (plan.runtime, plan.why.runtime) == ("torch", "there is no OpenVINO for this machine")


def test_a_worker_that_cannot_start_gets_a_new_cache_and_then_torch(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    plan = rig.plan()
    (Path(plan.cache) / "1.blob").write_bytes(b"damaged")
    assert rig.step_back(plan, WorkerDiedError(-11))
    assert not list(rig.folder.compiled.glob("*/*"))
    again = rig.plan()
    assert again.runtime == "openvino"
    assert rig.step_back(again, WorkerDiedError(-4))
    last = rig.plan()
    assert (last.runtime, last.why.runtime) == ("torch", "it was ended by SIGILL")
    assert not rig.step_back(last, WorkerDiedError(1))


def test_graphics_of_intel_are_used_where_they_are_faster(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "a", hardware=INTEL)
    rig.answers["probe"] = FASTER
    assert runs_on(rig.plan()) == ("openvino", "intel-gpu", "fp16")
    assert runs_on(rig.plan("text")) == ("openvino", "cpu", "fp32")
    slow = Rig(tmp_path / "b", hardware=INTEL)
    slow.answers["probe"] = FASTER | {"seconds": 0.5}
    assert runs_on(slow.plan()) == ("openvino", "cpu", "fp32")
    assert "intel-gpu is only 0.6 times as fast" in slow.plan().why.device


def test_a_driver_that_hangs_costs_one_measurement_and_the_processor_takes_over(tmp_path: Path) -> None:
    rig = Rig(tmp_path, ModelConfig(device="intel-gpu"), INTEL)
    rig.answers["probe"] = StalledError("it has done nothing for 300 s")
    for _ in range(2):
        assert runs_on(rig.plan()) == ("openvino", "cpu", "fp32")
        assert rig.plan().why.device == "intel-gpu does not work: it has done nothing for 300 s"
        rig.restarted()
    assert rig.ran == ["probe"]


def test_cuda_that_turns_out_not_to_work_leaves_the_processor_with_its_reason(tmp_path: Path) -> None:
    rig = Rig(tmp_path, hardware=Hardware(nvidia=True, cuda=True))
    plan = rig.plan()
    assert (plan.runtime, plan.device) == ("torch", "auto")
    assert rig.step_back(plan, GraphError("its driver is too old", "update the NVIDIA driver"))
    after = rig.plan()
    assert runs_on(after) == ("openvino", "cpu", "fp32")
    assert (after.why.device, after.why.remedy) == ("its driver is too old", "update the NVIDIA driver")
    assert rig.plan("text").runtime == "openvino"


def test_what_was_compiled_of_other_models_and_versions_is_deleted(tmp_path: Path) -> None:
    other = ModelFolder(path=tmp_path / "models" / "other")
    (other.compiled / "2026.1-abc").mkdir(parents=True)
    (other.compiled / "2026.1-abc" / "1.blob").write_bytes(b"large")
    other.measurements.write_text("{}")
    rig = Rig(tmp_path)
    (rig.folder.compiled / "2025.1-abc").mkdir(parents=True)
    cache = Path(rig.plan().cache)
    assert cache.stat().st_mode & 0o777 == 0o700
    assert list(rig.folder.compiled.iterdir()) == [cache]
    assert not list(other.compiled.iterdir())
    assert other.measurements.exists()


def test_a_model_of_the_hub_is_downloaded_once_before_it_is_exported(tmp_path: Path) -> None:
    rig = Rig(tmp_path, HUB)
    assert runs_on(rig.plan()) == ("openvino", "cpu", "fp32")
    assert runs_on(rig.plan("text")) == ("openvino", "cpu", "fp32")
    assert rig.ran == ["download", "export"]
    rig.restarted()
    rig.plan()
    assert rig.ran == ["download", "export"]


def test_a_model_of_the_hub_that_runs_on_cuda_is_downloaded_before_its_first_worker(tmp_path: Path) -> None:
    rig = Rig(tmp_path, HUB, Hardware(nvidia=True, cuda=True))
    assert rig.plan().device == "auto"
    assert rig.ran == ["download"]
    rig.restarted()
    rig.plan()
    assert rig.ran == ["download"]


def test_what_was_downloaded_and_is_gone_is_downloaded_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path, HUB)
    rig.plan()
    rig.weights.write_bytes(b"other numbers")
    rig.restarted()
    rig.plan()
    assert rig.ran == ["download", "export"] * 2


def test_files_that_cannot_be_loaded_are_checked_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path, HUB)
    rig.answers["export"] = ModelUnavailableError("cannot be loaded")
    for ran in (["download", "export"] * 2, ["download", "export"] * 2 + ["export"]):
        with pytest.raises(ModelUnavailableError):
            rig.plan()
        assert rig.ran == ran


def test_a_worker_that_cannot_load_what_was_downloaded_has_it_checked_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path, HUB, Hardware(nvidia=True, cuda=True))
    plan = rig.plan()
    assert rig.step_back(plan, ModelUnavailableError("damaged"))
    rig.plan()
    assert rig.ran == ["download"] * 2
    assert not rig.step_back(plan, ModelUnavailableError("damaged"))


def test_the_bundled_model_and_one_of_the_owner_are_never_downloaded(tmp_path: Path) -> None:
    for number, config in enumerate((ModelConfig(), OTHER, ModelConfig(name="ViT-B-32", pretrained=__file__))):
        rig = Rig(tmp_path / str(number), config, Hardware(nvidia=True, cuda=True))
        rig.plan()
        assert "download" not in rig.ran
        assert not rig.step_back(rig.plan(), ModelUnavailableError("damaged"))


def test_progress_is_shown_while_a_download_runs_and_nonsense_is_not(tmp_path: Path) -> None:
    rig = Rig(tmp_path, HUB)
    rig.says = [
        {"op": "progress", "done": 10, "total": 100},
        {"op": "progress", "done": -1, "total": 100},
        {"op": "progress", "done": 5, "total": 0},
        {"op": "progress", "done": "much", "total": 100},
        {"op": "progress", "done": 100, "total": 100},
    ]
    rig.plan()
    assert [(each.done, each.total) for each in rig.reports if each] == [(10, 100)] * 4 + [(100, 100)]
    assert rig.progress.report() is None


def test_a_download_that_fails_leaves_no_progress_behind(tmp_path: Path) -> None:
    rig = Rig(tmp_path, HUB)
    rig.says = [{"op": "progress", "done": 10, "total": 100}]
    rig.answers["download"] = ModelUnavailableError("no network")
    with pytest.raises(ModelUnavailableError, match="no network"):
        rig.plan()
    assert rig.progress.report() is None
    assert rig.ran == ["download"]
