"""How workers are started: their program, environment, set-up and limits."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import sys
from typing import TYPE_CHECKING

from phsearch import __version__
from phsearch.adapters.linux import processes
from phsearch.adapters.linux.systemd import SYSTEMD_VARIABLES
from phsearch.service.workers.limits import MB, WorkerLimits, worker_memory_limit
from phsearch.service.workers.process import WorkerCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from phsearch.config import Config, IndexConfig

log = logging.getLogger("phsearch")

PROGRAM = (sys.executable, "-P", "-m", "phsearch.worker")
"""-P: no module is imported from the current directory."""

_INDEX_NICE = 19
"""The lowest priority that still gets processor time. SCHED_IDLE gets a fifth of that: beside busy programs a sound
photo would take longer than `index.photo_seconds`, and be blamed for it.
"""

_INDEX_OOM_SCORE_ADJ = 800

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
    # torch creates a folder for compiled code when it is imported, by default in /tmp.
    return {**own, **_WORKER_ENV, "TORCHINDUCTOR_CACHE_DIR": str(torch_cache)}


def index_worker(
    config: Config, env: Mapping[str, str], program: tuple[str, ...], roots: Callable[[], Sequence[str]] = tuple
) -> WorkerCommand:
    """Return the command of the index worker. `roots` returns the folders that it may read."""
    setup = {
        "tower": "image",
        "name": config.model.name,
        "pretrained": config.model.pretrained,
        "device": config.model.device,
        "precision": config.model.precision,
        "batch_size": config.model.batch_size,
        "gpu_memory_mb": config.model.gpu_memory_mb,
        "torch_threads": 0,
        "decode_threads": config.index.decode_threads,
        "max_megapixels": config.index.max_megapixels,
        "follow_symlinks": config.watch.follow_symlinks,
    }
    return WorkerCommand(setup, env, program, nice=_INDEX_NICE, oom_score_adj=_INDEX_OOM_SCORE_ADJ, roots=roots)


def text_worker(config: Config, env: Mapping[str, str], program: tuple[str, ...]) -> WorkerCommand:
    """Return the command of the query worker."""
    setup = {
        "tower": "text",
        "name": config.model.name,
        "pretrained": config.model.pretrained,
        # A few words are fast on any processor, and would keep a GPU from ever sleeping.
        "device": "cpu",
        "precision": "fp32" if config.model.precision == "fp32" else "auto",
        "torch_threads": min(4, os.cpu_count() or 1),
    }
    return WorkerCommand(setup, env, program)


def image_query_worker(config: Config, env: Mapping[str, str], program: tuple[str, ...]) -> WorkerCommand:
    """Return the command of the worker that embeds one photo of a query."""
    setup = dict(text_worker(config, env, program).setup) | {
        "tower": "like",
        "max_megapixels": config.index.max_megapixels,
    }
    return WorkerCommand(setup, env, program, oom_score_adj=_INDEX_OOM_SCORE_ADJ)


def thumbnail_worker(config: Config, env: Mapping[str, str], program: tuple[str, ...]) -> WorkerCommand:
    """Return the command of the worker that makes thumbnails."""
    setup = {"tower": "picture", "name": config.model.name, "max_megapixels": config.index.max_megapixels}
    return WorkerCommand(setup, env, program, oom_score_adj=_INDEX_OOM_SCORE_ADJ)


def on_demand_workers(config: Config, env: Mapping[str, str], program: tuple[str, ...]) -> dict[str, WorkerCommand]:
    """Return the commands of the on-demand workers, by name."""
    return {"like": image_query_worker(config, env, program), "picture": thumbnail_worker(config, env, program)}


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


def decoder_versions() -> str:
    """Return the versions of all decoders. When one of them changes, files that failed are tried again."""
    libraries = ("pillow", "pillow-heif", "pillow-jxl-plugin", "rawpy")
    return ", ".join([f"phsearch {__version__}", *(f"{name} {importlib.metadata.version(name)}" for name in libraries)])
