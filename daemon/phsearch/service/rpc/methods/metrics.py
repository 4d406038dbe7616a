"""Numbers for a monitoring system."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from phsearch import __version__
from phsearch.domain.prometheus import CONTENT_TYPE, Family, Sample, by, expose, one
from phsearch.domain.throughput import STAGES
from phsearch.wire import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from phsearch.domain.types import TableFigures
    from phsearch.service.health.components import Parts
    from phsearch.service.rpc.dispatcher import Calls

_STATES = ("starting", "scanning", "watching", "polling", "offline")


class Metering:
    """`metrics`. `resident` and `open_files` give a process's bytes and descriptors, None for one that is gone."""

    def __init__(
        self,
        parts: Parts,
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
    def calls(self) -> Calls:
        """The methods by name."""
        return {"metrics": self._metrics}

    async def _metrics(self, _params: dict[str, Any]) -> dict[str, Any]:
        index = list(self._index(await self._parts.figures.latest()))
        families = (*self._daemon(), *self._photos(), *self._roots(), *self._stages(), *self._processes(), *index)
        return {"content_type": CONTENT_TYPE, "text": expose(families)}

    def _daemon(self) -> Iterator[Family]:
        model = self._parts.model.status()
        about = {name: str(model[name] or "") for name in ("pretrained", "device", "precision")}
        info = {"version": __version__, "protocol": str(PROTOCOL), "model": self._parts.model.name} | about
        yield one("phsearch_up", "gauge", "Whether the daemon answers.", 1)
        yield Family("phsearch_build_info", "gauge", "What runs, as labels.", (Sample(1, info),))
        yield one("phsearch_start_time_seconds", "gauge", "When the daemon was started.", self._started)
        ready = model["state"] == "ready"
        yield one("phsearch_model_ready", "gauge", "Whether queries can be answered.", ready)
        yield one("phsearch_connections", "gauge", "Clients that are connected.", self._connections())
        name, help_ = "phsearch_query_duration_seconds", "How long searches took that were answered."
        yield Family(name, "histogram", help_, self._parts.searcher.durations.samples())
        refused = self._parts.searcher.refused
        yield one("phsearch_queries_refused_total", "counter", "Searches that were answered with an error.", refused)

    def _photos(self) -> Iterator[Family]:
        library, counters = self._parts.catalog.library, self._parts.catalog.counters
        yield one("phsearch_photos", "gauge", "Photos that are findable.", len(library))
        pending = self._parts.pipelines.pending + self._parts.writer.pending
        yield one("phsearch_photos_pending", "gauge", "Photos and changes that are not dealt with yet.", pending)
        yield one("phsearch_photos_unreadable", "gauge", "Photos that could not be read.", library.failed)
        for name, what, count in (
            ("embedded", "Photos the model has seen", counters.embedded),
            ("reused", "Photos taken in without the model, moved ones too", counters.reused),
            ("moved", "Photos renamed or moved", self._parts.catalog.moved),
            ("removed", "Photos forgotten because they are gone", counters.removed),
            ("failed", "Times that a photo could not be read", counters.failed),
        ):
            yield one(f"phsearch_photos_{name}_total", "counter", f"{what}, since the start.", count)

    def _roots(self) -> Iterator[Family]:
        keepers = self._parts.keepers
        states = tuple(
            Sample(state == keeper.state, {"root": root, "state": state})
            for root, keeper in keepers.items()
            for state in _STATES
        )
        yield Family("phsearch_root_state", "gauge", "Whether a folder is in a state.", states)
        for name, help_, value in (
            ("photos", "Photos of a folder.", lambda keeper: self._parts.catalog.library.count(keeper.root)),
            ("missing_photos", "Photos that are kept though their files are not there.", lambda keeper: keeper.missing),
            ("watched_folders", "Folders that are watched.", lambda keeper: keeper.folders[0]),
            ("unwatched_folders", "Folders that are scanned on a timer instead.", lambda keeper: keeper.folders[1]),
        ):
            values = {root: value(keeper) for root, keeper in keepers.items()}
            yield by(f"phsearch_root_{name}", "gauge", help_, "root", values)
        overflows = {root: keeper.overflows for root, keeper in keepers.items()}
        name, help_ = "phsearch_root_overflows_total", "Times that events were lost, and made good by a scan."
        yield by(name, "counter", help_, "root", overflows)

    def _stages(self) -> Iterator[Family]:
        work, held, unembedded = self._parts.load.total, self._parts.embedder.held, self._parts.embedder.pending
        waiting = {
            "settling": self._parts.pipelines.settling,
            "reading": max(self._parts.pipelines.queued - unembedded, 0),
            "embedding": unembedded - held,
            "worker": held,
            "writing": self._parts.writer.pending,
        }
        yield by("phsearch_queue_photos", "gauge", "Photos on their way, by stage.", "stage", waiting)
        seconds = {
            "reading": work.reading,
            "decode": work.decoding,
            "decode_wait": work.waiting,
            "model": work.model,
            "store": work.writing,
        }
        name, help_ = "phsearch_stage_busy_seconds_total", "Time spent; decode_wait is the model's, for the decoders."
        yield by(name, "counter", help_, "stage", seconds)
        photos = {"reading": work.read, "decode": work.decoded, "model": work.embedded, "store": work.written}
        yield by("phsearch_stage_photos_total", "counter", "Photos that passed a stage.", "stage", photos)
        stage = self._parts.load.sample().stage
        name, help_ = "phsearch_bottleneck", "Which stage holds up the photos."
        yield by(name, "gauge", help_, "stage", {each: each == stage for each in STAGES})

    def _processes(self) -> Iterator[Family]:
        careers, pids = self._parts.careers, self._parts.processes
        memory = {name: self._resident(pid) for name, pid in pids.items()}
        yield by("phsearch_resident_memory_bytes", "gauge", "Memory in use.", "process", memory)
        files = {name: self._open_files(pid) for name, pid in pids.items()}
        yield by("phsearch_open_fds", "gauge", "Open file descriptors.", "process", files)
        running = {name: career.pid is not None for name, career in careers.items()}
        yield by("phsearch_worker_running", "gauge", "Whether a worker runs.", "worker", running)
        starts = {name: career.starts for name, career in careers.items()}
        yield by("phsearch_worker_starts_total", "counter", "Workers that were started.", "worker", starts)
        deaths = tuple(
            Sample(count, {"worker": name, "cause": cause})
            for name, career in careers.items()
            for cause, count in career.deaths.items()
        )
        yield Family("phsearch_worker_deaths_total", "counter", "Workers that died, by cause.", deaths)

    def _index(self, tables: Iterable[TableFigures]) -> Iterator[Family]:
        yield by(
            "phsearch_index_bytes", "gauge", "Bytes on disk.", "table", {table.name: table.bytes for table in tables}
        )
        for name, help_ in (("rows", "Rows"), ("fragments", "Fragments"), ("versions", "Versions that are kept")):
            values = {table.name: getattr(table, name) for table in tables if not table.former}
            yield by(f"phsearch_index_{name}", "gauge", f"{help_} of a table.", "table", values)
        name, help_ = "phsearch_index_last_write_timestamp_seconds", "When the index was last written with success."
        yield one(name, "gauge", help_, self._parts.writer.written_at)
        name, help_ = "phsearch_index_last_maintenance_timestamp_seconds", "When the index was last tidied."
        yield one(name, "gauge", help_, self._parts.writer.tidied_at)
        yield one(
            "phsearch_index_writable", "gauge", "Whether the last write worked.", self._parts.writer.problem is None
        )
