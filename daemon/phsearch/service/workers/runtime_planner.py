"""Plans by which runtime, on which device and with which precision the workers run the model.

The plan for a machine and a model is made once: graphs are exported by a worker with torch, and alternatives to fp32
on the processor are measured by a worker of their own. Both results are kept. What turns out not to work is left for
the next candidate, and torch on the processor is the last one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from phsearch.atomic_write import atomic_write
from phsearch.domain.model.runtime import Measurement, candidates, no_cuda_reason
from phsearch.domain.types import DeviceChoice, RuntimePlan
from phsearch.errors import GraphError, ModelUnavailableError
from phsearch.model_files import (
    BUNDLED,
    check_exported,
    exporter_versions,
    input_states,
    local_folder,
    read_manifest,
)
from phsearch.service.workers.command import WorkerSetup
from phsearch.service.workers.limits import StalledError
from phsearch.service.workers.model_download import ModelDownload
from phsearch.service.workers.process import WorkerDiedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from phsearch.config import ModelConfig
    from phsearch.domain.model.runtime import Candidate, Hardware
    from phsearch.model_files import ModelManifest
    from phsearch.service.workers.command import TowerKind
    from phsearch.service.workers.frames import Header
    from phsearch.service.workers.model_download import DownloadProgress

    OnProgress = Callable[[Header], None]
    RunWorker = Callable[[WorkerSetup, OnProgress | None], Awaitable[Header]]
    """Starts a worker with this set-up, and returns its only answer; the other gets what it says before. Raises
    GraphError, ModelUnavailableError, WorkerDiedError, StalledError."""

log = logging.getLogger("phsearch.model")

_Rejection = tuple[str, str]
"""Why a candidate is not used, and the remedy, which may be ""."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """What is kept of one model below the state folder."""

    path: Path

    @property
    def downloaded(self) -> Path:
        """What was downloaded."""
        return self.path / "downloaded.json"

    @property
    def graphs(self) -> Path:
        """The exported graphs."""
        return self.path / "graphs"

    @property
    def refusal(self) -> Path:
        """Why the model cannot be exported."""
        return self.path / "refused.json"

    @property
    def measurements(self) -> Path:
        """What was measured on this machine."""
        return self.path / "measured.json"

    @property
    def compiled(self) -> Path:
        """What OpenVINO compiled: only a cache."""
        return self.path / "compiled"


class RuntimePlanner:
    """The plans for the workers of one model."""

    def __init__(
        self,
        *,
        config: ModelConfig,
        folder: ModelFolder,
        hardware: Callable[[], Hardware],
        run_worker: RunWorker,
        progress: DownloadProgress,
    ) -> None:
        self._config = config
        self._folder = folder
        self._find_hardware = hardware
        self._run_worker = run_worker
        self._download = ModelDownload(
            config=config,
            marker=folder.downloaded,
            run_worker=lambda on_progress: run_worker(self._setup("download"), on_progress),
            progress=progress,
        )
        self._rejected: dict[Candidate, _Rejection] = {}
        self._cleared: set[Candidate] = set()
        self._hardware: Hardware | None = None
        self._lock = asyncio.Lock()

    async def make_plan(self, tower: TowerKind) -> RuntimePlan:
        """Return the plan for a worker's tower. Raises ModelUnavailableError where the weights cannot be had."""
        async with self._lock:
            if self._hardware is None:
                self._hardware = await asyncio.to_thread(self._find_hardware)
            order = candidates(self._config.device, self._hardware, photos=tower == "image")
            for candidate in order[:-1]:
                if candidate in self._rejected:
                    continue
                plan = await self._try(candidate)
                if isinstance(plan, RuntimePlan):
                    return plan
                self._reject(candidate, plan)
            return await self._torch(order[-1])

    async def step_back(self, tower: TowerKind, plan: RuntimePlan, error: Exception) -> bool:
        """Note that a worker could not start by this plan; return whether another plan is worth a try."""
        async with self._lock:
            if isinstance(error, ModelUnavailableError):
                return await self._download.recheck_files()
            candidate = _candidate_of(plan)
            if (
                self._hardware is None
                or candidate == candidates(self._config.device, self._hardware, photos=tower == "image")[-1]
            ):
                return False
            if plan.cache and candidate not in self._cleared:
                # What was compiled may be damaged. It is only a cache.
                self._cleared.add(candidate)
                await asyncio.to_thread(shutil.rmtree, plan.cache, ignore_errors=True)
                return True
            hint = error.hint if isinstance(error, GraphError) else ""
            self._reject(candidate, (str(error), hint))
            return True

    async def _try(self, candidate: Candidate) -> RuntimePlan | _Rejection:
        """Return the plan for a candidate, or why it is rejected."""
        if candidate == "cuda":
            return await self._torch("cuda")
        assert self._hardware is not None
        if not self._hardware.openvino:
            return "there is no OpenVINO for this machine", ""
        try:
            graphs, manifest = await self._find_graphs()
            cache = await asyncio.to_thread(self._cache, manifest)
            plan = replace(RuntimePlan.plain(str(graphs)), device=candidate, cache=cache)
            make = self._plan_cpu if candidate == "cpu" else self._plan_device
            return await make(plan, self._hardware)
        except GraphError as error:
            return str(error), error.hint

    async def _torch(self, candidate: Candidate) -> RuntimePlan:
        await self._download.ensure_files()
        device = self._config.device if candidate == "cuda" else "cpu"
        return RuntimePlan(device=device, precision=self._config.precision, why=self._why(candidate))

    def _why(self, candidate: Candidate, precision: str = "") -> DeviceChoice:
        """Return why it is this candidate and none of those before it."""
        assert self._hardware is not None
        device, remedy = self._rejected.get("intel-gpu") or self._rejected.get("npu") or ("", "")
        if self._config.device == "auto" and not device:
            device, remedy = self._rejected.get("cuda") or no_cuda_reason(self._hardware)
        elif not device:
            device = "as model.device says"
        runtime = self._rejected.get("cpu", ("", ""))[0] if candidate == "torch" else ""
        return DeviceChoice(device=device, precision=precision, remedy=remedy, runtime=runtime)

    async def _find_graphs(self) -> tuple[Path, ModelManifest]:
        """Return the folder of the model's graphs and their manifest; they are exported where there are none.

        Files may have changed since the last worker started, so they are checked each time. Raises GraphError.
        """
        if bundled := BUNDLED.get(self._config.name):
            return bundled, await asyncio.to_thread(read_manifest, bundled)
        try:
            return self._folder.graphs, await asyncio.to_thread(check_exported, self._folder.graphs)
        except GraphError as error:
            log.debug("exporting the graphs of %s: %s", self._config.name, error)
        return self._folder.graphs, await self._export(self._folder.graphs)

    async def _export(self, graphs: Path) -> ModelManifest:
        stamp = await asyncio.to_thread(self._refusal_stamp)
        refused = await asyncio.to_thread(_read_json, self._folder.refusal)
        if {name: refused.get(name) for name in stamp} == stamp:
            raise GraphError(str(refused.get("reason")))
        part = graphs.with_suffix(".part")
        try:
            await self._run_export(part)
            await asyncio.to_thread(_replace_folder, part, graphs)
            return await asyncio.to_thread(check_exported, graphs)
        except OSError as error:
            raise GraphError(f"its graphs cannot be kept in {self._folder.path}: {error.strerror}") from error
        except (GraphError, WorkerDiedError, StalledError) as error:
            await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
            text = f"the model cannot be exported: {error}"
            if isinstance(error, GraphError):
                await asyncio.to_thread(_write_json, self._folder.refusal, stamp | {"reason": text})
            raise GraphError(text) from error

    async def _run_export(self, part: Path) -> None:
        """Export the model into the empty folder `part`. Files that cannot be loaded are checked and fetched again."""
        while True:
            await self._download.ensure_files()
            log.info("the model is prepared for a fast start, once; this takes some seconds")
            await asyncio.to_thread(_make_empty, part)
            try:
                await self._run_worker(self._setup("export", folder=str(part)), None)
            except ModelUnavailableError:
                if not await self._download.recheck_files():
                    raise
            else:
                return

    def _refusal_stamp(self) -> dict[str, Any]:
        """Return what a refusal holds for: it is forgotten when a package or a file of the owner's folder changes."""
        folder = local_folder(self._config.name)
        files: dict[str, str] = {}
        with contextlib.suppress(OSError):
            files = input_states(map(str, sorted(folder.iterdir()))) if folder is not None else {}
        return {"versions": exporter_versions(), "files": files}

    async def _plan_cpu(self, plan: RuntimePlan, hardware: Hardware) -> RuntimePlan | _Rejection:
        """Return the plan for OpenVINO on the processor with the best precision, or why it is rejected."""
        wanted = self._config.precision
        if wanted == "fp16" or (wanted == "bf16" and not hardware.bf16):
            return f"a processor has no {wanted} for OpenVINO", ""
        if wanted != "auto":
            return replace(plan, precision=wanted, why=self._why("cpu", "as model.precision says"))
        if not hardware.bf16:
            return replace(plan, why=self._why("cpu", "this processor has no bfloat16"))
        half = replace(plan, precision="bf16")
        found = await self._measure("bf16", half, hardware)
        if isinstance(found, str):
            return replace(plan, why=self._why("cpu", f"bf16 does not work: {found}"))
        if rejection := found.rejection("bf16"):
            return replace(plan, why=self._why("cpu", rejection))
        reason = f"measured {found.speedup:.1f} times as fast as fp32, with the same answers"
        return replace(half, why=self._why("cpu", reason))

    async def _plan_device(self, plan: RuntimePlan, hardware: Hardware) -> RuntimePlan | _Rejection:
        """Return the plan for OpenVINO on an accelerator, or why it is rejected."""
        plan = replace(plan, precision="fp32" if self._config.precision == "fp32" else "fp16")
        found = await self._measure(plan.device, plan, hardware)
        if isinstance(found, str):
            return f"{plan.device} does not work: {found}", ""
        # "auto" takes it only where it is faster.
        if rejection := found.rejection(plan.device, 0.0 if self._config.device == plan.device else 1.0):
            return rejection, ""
        reason = f"measured {found.speedup:.1f} times as fast as the processor with fp32"
        return replace(plan, why=DeviceChoice(device=reason))

    async def _measure(self, name: str, plan: RuntimePlan, hardware: Hardware) -> Measurement | str:
        """Return the measurement of a plan, or why there is none; measured once for this machine and model."""
        stamp = {"versions": exporter_versions(), "processor": hardware.processor}
        known = await asyncio.to_thread(_read_json, self._folder.measurements)
        if {key: known.get(key) for key in stamp} != stamp:
            known = dict(stamp)
        if name not in known:
            try:
                answer = await self._run_worker(self._setup("probe", plan=plan), None)
                known[name] = {key: float(answer[key]) for key in ("seconds", "plain_seconds", "cosine")}
            except (GraphError, WorkerDiedError, StalledError) as error:
                known[name] = str(error)
            with contextlib.suppress(OSError):  # then it is measured at the next start, too
                await asyncio.to_thread(_write_json, self._folder.measurements, known)
        found = known[name]
        return Measurement(**found) if isinstance(found, dict) else str(found)

    def _setup(self, tower: TowerKind, **task: Any) -> WorkerSetup:
        return WorkerSetup(tower=tower, name=self._config.name, pretrained=self._config.pretrained, **task)

    def _cache(self, manifest: ModelManifest) -> str:
        """Return the folder for what is compiled; what other models, weights and versions have there is deleted."""
        folder = self._folder.compiled / f"{exporter_versions()['openvino']}-{manifest.info.identity.weights[:12]}"
        for other in self._folder.path.parent.glob(f"*/{self._folder.compiled.name}/*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            return ""
        return str(folder)

    def _reject(self, candidate: Candidate, rejection: _Rejection) -> None:
        self._rejected[candidate] = rejection
        log.info("the model does not run on %s: %s", "OpenVINO" if candidate == "cpu" else candidate, rejection[0])


def _candidate_of(plan: RuntimePlan) -> Candidate:
    if plan.runtime == "torch":
        return "torch" if plan.device == "cpu" else "cuda"
    found: Candidate = plan.device  # type: ignore[assignment]
    return found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    atomic_write(path, json.dumps(values, indent=1).encode() + b"\n")


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)


def _replace_folder(new: Path, old: Path) -> None:
    shutil.rmtree(old, ignore_errors=True)
    new.rename(old)
