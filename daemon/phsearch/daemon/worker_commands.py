"""How workers are started: their program, environment, set-up and limits."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import logging
import os
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from phsearch import __version__
from phsearch.adapters.linux import processes
from phsearch.adapters.linux.accelerators import find_hardware
from phsearch.adapters.linux.systemd import SYSTEMD_VARIABLES
from phsearch.errors import NoHomeError
from phsearch.paths import home
from phsearch.service.workers.command import WorkerCommand, WorkerSetup
from phsearch.service.workers.limits import MB, WorkerLimits, worker_memory_limit
from phsearch.service.workers.model_download import DownloadProgress
from phsearch.service.workers.process import WorkerProcess
from phsearch.service.workers.runtime_planner import ModelFolder, RuntimePlanner
from phsearch.text import slug

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from phsearch.config import Config, IndexConfig, ModelConfig
    from phsearch.domain.types import ModelName
    from phsearch.service.workers.command import Planner
    from phsearch.service.workers.frames import Header

log = logging.getLogger("phsearch")

PROGRAM = (sys.executable, "-P", "-m", "phsearch.worker")
"""-P: no module is imported from the current directory."""

_INDEX_NICE = 19
"""The lowest priority that still gets processor time. SCHED_IDLE gets a fifth of that: beside busy programs a sound
photo would take longer than `index.photo_seconds`, and be blamed for it.
"""

_INDEX_OOM_SCORE_ADJ = 800
_LONGEST_NAME = 40

_FOLDER_VARIABLES = ("HOME", "XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME")
_WORKER_ENV = {
    # An OpenMP thread that spins takes the processor from the decoders: without, 17 photos/s instead of 7 beside one
    # busy process.
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
    # Two arenas instead of eight per core: otherwise the decode threads would keep hundreds of megabytes.
    "MALLOC_ARENA_MAX": "2",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_ETAG_TIMEOUT": "5",
    "TRANSFORMERS_VERBOSITY": "error",
}


def worker_env(env: Mapping[str, str], torch_cache: Path) -> dict[str, str]:
    """Return the environment of workers."""
    own = {name: value for name, value in env.items() if name not in SYSTEMD_VARIABLES}
    # A "~" or a relative path would make a folder where the daemon was started.
    for name in _FOLDER_VARIABLES:
        if not own.get(name, "/").startswith("/"):
            del own[name]
    with contextlib.suppress(NoHomeError):
        own["HOME"] = str(home(env))
    # torch creates a folder for compiled code when it is imported, by default in /tmp.
    return {**own, **_WORKER_ENV, "TORCHINDUCTOR_CACHE_DIR": str(torch_cache)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCommands:
    """The commands of all workers. `planner` decides by which runtime they run the model."""

    env: Mapping[str, str]
    program: tuple[str, ...]
    planner: Planner | None
    download: DownloadProgress = field(default_factory=DownloadProgress)
    """How far the planner's download of the model is."""

    def index_worker(self, config: Config, roots: Callable[[], Sequence[str]] = tuple) -> WorkerCommand:
        """Return the command of the index worker. `roots` returns the folders that it may read."""
        setup = WorkerSetup(
            tower="image",
            name=config.model.name,
            pretrained=config.model.pretrained,
            precision=config.model.precision,
            batch_size=config.model.batch_size,
            gpu_memory_mb=config.model.gpu_memory_mb,
            decode_threads=config.index.decode_threads,
            max_megapixels=config.index.max_megapixels,
            follow_symlinks=config.watch.follow_symlinks,
        )
        return self._command(setup, nice=_INDEX_NICE, oom_score_adj=_INDEX_OOM_SCORE_ADJ, roots=roots)

    def text_worker(self, config: Config) -> WorkerCommand:
        """Return the command of the query worker."""
        return self._command(self._text_setup(config))

    def on_demand_workers(self, config: Config) -> dict[str, WorkerCommand]:
        """Return the commands of the on-demand workers, by name: for a photo of a query, and for thumbnails."""
        megapixels = config.index.max_megapixels
        like = replace(self._text_setup(config), tower="like", max_megapixels=megapixels)
        picture = WorkerSetup(tower="picture", name=config.model.name, max_megapixels=megapixels)
        return {
            "like": self._command(like, oom_score_adj=_INDEX_OOM_SCORE_ADJ),
            "picture": replace(self._command(picture, oom_score_adj=_INDEX_OOM_SCORE_ADJ), planner=None),
        }

    def _text_setup(self, config: Config) -> WorkerSetup:
        return WorkerSetup(
            tower="text",
            name=config.model.name,
            pretrained=config.model.pretrained,
            precision="fp32" if config.model.precision == "fp32" else "auto",
            threads=min(4, os.cpu_count() or 1),
        )

    def _command(self, setup: WorkerSetup, **how: Any) -> WorkerCommand:
        return WorkerCommand(setup, self.env, self.program, planner=self.planner, **how)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFactory:
    """Makes the commands of workers for any model. `models` is the folder for what is kept of models.

    `has_model` is whether the program of a worker runs the model.
    """

    env: Mapping[str, str]
    program: tuple[str, ...]
    models: Path
    has_model: bool

    def commands(self, model: ModelConfig, *, background: bool = False) -> WorkerCommands:
        """Return the commands for this model; in the `background` it is prepared while another one answers."""
        download = DownloadProgress()
        nice = _INDEX_NICE if background else 0
        folder = self.folder_of(model)
        planner = _runtime_planner(model, folder, self.env, download, nice) if self.has_model else None
        return WorkerCommands(env=self.env, program=self.program, planner=planner, download=download)

    def folder_of(self, model: ModelConfig | ModelName) -> ModelFolder:
        """Return the folder of what is kept of a model."""
        key = hashlib.sha256(f"{model.name}\0{model.pretrained}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
        return ModelFolder(path=self.models / f"{slug(model.name.rpartition('/')[2])[:_LONGEST_NAME]}_{key}")


def _runtime_planner(
    model: ModelConfig, folder: ModelFolder, env: Mapping[str, str], progress: DownloadProgress, nice: int
) -> RuntimePlanner:
    """Return the planner of a model whose files are in `folder`; `nice` is the priority of what prepares them."""

    async def run_worker(setup: WorkerSetup, on_progress: Callable[[Header], None] | None) -> Header:
        command = WorkerCommand(setup, env, PROGRAM, nice=nice, oom_score_adj=_INDEX_OOM_SCORE_ADJ)
        return await WorkerProcess.run_once(command, on_progress)

    return RuntimePlanner(
        config=model,
        folder=folder,
        hardware=find_hardware,
        run_worker=run_worker,
        progress=progress,
    )


def on_demand_limits(index: IndexConfig) -> WorkerLimits:
    """Return what an on-demand worker may take for one photo."""
    machine = processes.total_bytes()

    def max_memory(loaded: int) -> int:
        return worker_memory_limit(index.worker_memory_mb, loaded, 1, index.max_megapixels, machine)

    return WorkerLimits(photo_seconds=index.photo_seconds, memory_of=processes.private_bytes, max_memory=max_memory)


def index_worker_limits(index: IndexConfig) -> WorkerLimits:
    """Return what the index worker may take."""
    threads = index.decode_threads or os.cpu_count() or 1
    machine = processes.total_bytes()

    def max_memory(loaded: int) -> int:
        configured = index.worker_memory_mb
        limit = worker_memory_limit(configured, loaded, threads, index.max_megapixels, machine)
        if configured and limit > configured * MB:
            log.warning(
                "index.worker_memory_mb = %d is too little: the model alone takes %d; using %d",
                configured,
                loaded // MB,
                limit // MB,
            )
        return limit

    return WorkerLimits(photo_seconds=index.photo_seconds, memory_of=processes.private_bytes, max_memory=max_memory)


def decoder_versions(index: IndexConfig) -> str:
    """Return the versions and the limit of all decoders. When one changes, files that failed are tried again."""
    libraries = ("pillow", "pillow-heif", "pillow-jxl-plugin", "rawpy")
    versions = (f"{name} {importlib.metadata.version(name)}" for name in libraries)
    return ", ".join([f"phsearch {__version__}", *versions, f"{index.max_megapixels:g} megapixels"])
