"""Numbers for a monitoring system."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from phsearch import __version__
from phsearch.domain.prometheus import CONTENT_TYPE, Family, Sample, labelled, metric, render
from phsearch.domain.throughput import STAGES
from phsearch.wire import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from phsearch.domain.types import TableStats
    from phsearch.service.health.components import Components
    from phsearch.service.rpc.dispatcher import Handlers

QUERY_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
"""Upper bounds of the buckets of query durations."""
_STATES = ("starting", "scanning", "watching", "polling", "offline")


class MetricsMethods:
    """`metrics`. `resident` and `open_files` give a process's bytes and descriptors, None for one that is gone."""

    def __init__(
        self,
        parts: Components,
        resident: Callable[[int], int | None],
        open_files: Callable[[int], int | None],
        connections: Callable[[], int],
    ) -> None:
        self._parts = parts
        self._resident = resident
        self._open_files = open_files
        self._connections = connections
        self._started = time.time()

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {"metrics": self._metrics}

    async def _metrics(self, _params: dict[str, Any]) -> dict[str, Any]:
        index = list(self._index(await self._parts.store_stats.latest()))
        families = (*self._daemon(), *self._photos(), *self._roots(), *self._stages(), *self._processes(), *index)
        return {"content_type": CONTENT_TYPE, "text": render(families)}

    def _daemon(self) -> Iterator[Family]:
        model = self._parts.model.status()
        about = {name: str(model[name] or "") for name in ("pretrained", "device", "precision")}
        info = {"version": __version__, "protocol": str(PROTOCOL), "model": self._parts.model.name} | about
        yield metric("phsearch_up", "gauge", "Whether the daemon answers.", 1)
        yield Family("phsearch_build_info", "gauge", "What runs, as labels.", (Sample(1, info),))
        yield metric("phsearch_start_time_seconds", "gauge", "When the daemon was started.", self._started)
        ready = model["state"] == "ready"
        yield metric("phsearch_model_ready", "gauge", "Whether queries can be answered.", ready)
        yield metric("phsearch_connections", "gauge", "Clients that are connected.", self._connections())
        name, help_ = "phsearch_query_duration_seconds", "How long searches took that were answered."
        yield Family(name, "histogram", help_, self._parts.query_durations.samples())
        refused = self._parts.searcher.refused
        yield metric("phsearch_queries_refused_total", "counter", "Searches that were answered with an error.", refused)

    def _photos(self) -> Iterator[Family]:
        library, counters = self._parts.photo_index.library, self._parts.photo_index.counters
        yield metric("phsearch_photos", "gauge", "Photos that are findable.", len(library))
        pending = self._parts.router.pending + self._parts.writer.pending
        yield metric("phsearch_photos_pending", "gauge", "Photos and changes that are not dealt with yet.", pending)
        yield metric("phsearch_photos_unreadable", "gauge", "Photos that could not be read.", library.failed)
        for name, what, count in (
            ("embedded", "Photos the model has seen", counters.embedded),
            ("reused", "Photos taken in without the model, moved ones too", counters.reused),
            ("moved", "Photos renamed or moved", self._parts.photo_index.moved),
            ("removed", "Photos forgotten because they are gone", counters.removed),
            ("failed", "Times that a photo could not be read", counters.failed),
        ):
            yield metric(f"phsearch_photos_{name}_total", "counter", f"{what}, since the start.", count)

    def _roots(self) -> Iterator[Family]:
        monitors = self._parts.monitors
        states = tuple(
            Sample(state == monitor.state, {"root": root, "state": state})
            for root, monitor in monitors.items()
            for state in _STATES
        )
        yield Family("phsearch_root_state", "gauge", "Whether a folder is in a state.", states)
        for name, help_, value in (
            ("photos", "Photos of a folder.", lambda monitor: self._parts.photo_index.library.count(monitor.root)),
            (
                "missing_photos",
                "Photos that are kept though their files are not there.",
                lambda monitor: monitor.missing,
            ),
            ("watched_folders", "Folders that are watched.", lambda monitor: monitor.folders[0]),
            ("unwatched_folders", "Folders that are scanned on a timer instead.", lambda monitor: monitor.folders[1]),
        ):
            values = {root: value(monitor) for root, monitor in monitors.items()}
            yield labelled(f"phsearch_root_{name}", "gauge", help_, "root", values)
        overflows = {root: monitor.overflows for root, monitor in monitors.items()}
        name, help_ = "phsearch_root_overflows_total", "Times that events were lost, and made good by a scan."
        yield labelled(name, "counter", help_, "root", overflows)

    def _stages(self) -> Iterator[Family]:
        work, held, unembedded = (
            self._parts.throughput.total,
            self._parts.image_worker.held,
            self._parts.image_worker.pending,
        )
        waiting = {
            "settling": self._parts.router.settling,
            "reading": max(self._parts.router.queued - unembedded, 0),
            "embedding": unembedded - held,
            "worker": held,
            "writing": self._parts.writer.pending,
        }
        yield labelled("phsearch_queue_photos", "gauge", "Photos on their way, by stage.", "stage", waiting)
        seconds = {
            "reading": work.reading,
            "decode": work.decoding,
            "decode_wait": work.waiting,
            "model": work.model,
            "store": work.writing,
        }
        name, help_ = "phsearch_stage_busy_seconds_total", "Time spent; decode_wait is the model's, for the decoders."
        yield labelled(name, "counter", help_, "stage", seconds)
        photos = {"reading": work.read, "decode": work.decoded, "model": work.embedded, "store": work.written}
        yield labelled("phsearch_stage_photos_total", "counter", "Photos that passed a stage.", "stage", photos)
        stage = self._parts.throughput.sample().stage
        name, help_ = "phsearch_bottleneck", "Which stage holds up the photos."
        yield labelled(name, "gauge", help_, "stage", {each: each == stage for each in STAGES})

    def _processes(self) -> Iterator[Family]:
        worker_stats, pids = self._parts.worker_stats, self._parts.processes
        memory = {name: self._resident(pid) for name, pid in pids.items()}
        yield labelled("phsearch_resident_memory_bytes", "gauge", "Memory in use.", "process", memory)
        files = {name: self._open_files(pid) for name, pid in pids.items()}
        yield labelled("phsearch_open_fds", "gauge", "Open file descriptors.", "process", files)
        running = {name: stats.pid is not None for name, stats in worker_stats.items()}
        yield labelled("phsearch_worker_running", "gauge", "Whether a worker runs.", "worker", running)
        starts = {name: stats.starts for name, stats in worker_stats.items()}
        yield labelled("phsearch_worker_starts_total", "counter", "Workers that were started.", "worker", starts)
        exits = tuple(
            Sample(count, {"worker": name, "cause": cause})
            for name, stats in worker_stats.items()
            for cause, count in stats.exits.items()
        )
        yield Family("phsearch_worker_deaths_total", "counter", "Workers that died, by cause.", exits)

    def _index(self, tables: Iterable[TableStats]) -> Iterator[Family]:
        yield labelled(
            "phsearch_index_bytes", "gauge", "Bytes on disk.", "table", {table.name: table.bytes for table in tables}
        )
        for name, help_ in (("rows", "Rows"), ("fragments", "Fragments"), ("versions", "Versions that are kept")):
            values = {table.name: getattr(table, name) for table in tables if not table.former}
            yield labelled(f"phsearch_index_{name}", "gauge", f"{help_} of a table.", "table", values)
        name, help_ = "phsearch_index_last_write_timestamp_seconds", "When the index was last written with success."
        yield metric(name, "gauge", help_, self._parts.writer.written_at)
        name, help_ = "phsearch_index_last_maintenance_timestamp_seconds", "When the index was last tidied."
        yield metric(name, "gauge", help_, self._parts.writer.optimized_at)
        yield metric(
            "phsearch_index_writable", "gauge", "Whether the last write worked.", self._parts.writer.problem is None
        )
