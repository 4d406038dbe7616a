"""Numbers for a monitoring system, in the text format of Prometheus."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from phsearch import __version__
from phsearch.domain.throughput import STAGES
from phsearch.wire import PROTOCOL
from phsearch.wire.results.daemon import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from phsearch.domain.types import TableStats
    from phsearch.service.health.components import Components
    from phsearch.service.rpc.dispatcher import Handlers

QUERY_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
"""Upper bounds of the buckets of query durations."""
_STATES = ("starting", "scanning", "watching", "polling", "offline")
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF


class MetricsMethods:
    """`metrics`. `resident` and `open_files` return a process's bytes and descriptors, None for one that has ended."""

    def __init__(
        self,
        *,
        components: Components,
        resident: Callable[[int], int | None],
        open_files: Callable[[int], int | None],
        connections: Callable[[], int],
    ) -> None:
        self._components = components
        self._resident = resident
        self._open_files = open_files
        self._connections = connections
        self._started = time.time()

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {"metrics": self._metrics}

    async def _metrics(self) -> Metrics:
        index = self._index(await self._components.store_stats.latest())
        families = (*self._daemon(), *self._photos(), *self._roots(), *self._stages(), *self._processes(), *index)
        return Metrics(content_type=CONTENT_TYPE_PLAIN_0_0_4, text=render(families))

    def _daemon(self) -> Iterator[Metric]:
        model = self._components.model.status(worker_running=self._components.image_worker.running)
        about = {"pretrained": model.pretrained, "device": model.device or "", "precision": model.precision or ""}
        info = {"version": __version__, "protocol": str(PROTOCOL), "model": self._components.model.name} | about
        yield gauge("phsearch_up", "Whether the daemon answers.", 1)
        build = GaugeMetricFamily("phsearch_build_info", "What runs, as labels.", labels=tuple(info))
        build.add_metric([printable(value) for value in info.values()], 1)
        yield build
        yield gauge("phsearch_start_time_seconds", "When the daemon was started.", self._started)
        yield gauge("phsearch_model_ready", "Whether queries can be answered.", model.state == "ready")
        yield gauge("phsearch_connections", "Clients that are connected.", self._connections())
        durations = self._components.query_durations
        yield HistogramMetricFamily(
            "phsearch_query_duration_seconds",
            "How long searches took that were answered.",
            buckets=durations.buckets(),
            sum_value=durations.total,
        )
        refused = self._components.searcher.refused
        yield counter("phsearch_queries_refused_total", "Searches that were answered with an error.", refused)

    def _photos(self) -> Iterator[Metric]:
        photo_index, writer = self._components.photo_index, self._components.writer
        library, counters = photo_index.library, photo_index.counters
        pending = self._components.router.pending + writer.pending
        yield gauge("phsearch_photos", "Photos that are findable.", len(library))
        yield gauge("phsearch_photos_pending", "Photos and changes that are not dealt with yet.", pending)
        yield gauge("phsearch_photos_unreadable", "Photos that could not be read.", library.failed)
        for name, what, count in (
            ("embedded", "Photos the model has seen", counters.embedded),
            ("reused", "Photos taken in without the model, moved ones too", counters.reused),
            ("moved", "Photos renamed or moved", photo_index.moved),
            ("removed", "Photos forgotten because they are gone", counters.removed),
            ("failed", "Times that a photo could not be read", counters.failed),
        ):
            yield counter(f"phsearch_photos_{name}_total", f"{what}, since the start.", count)

    def _roots(self) -> Iterator[Metric]:
        monitors, library = self._components.monitors, self._components.photo_index.library
        states = GaugeMetricFamily("phsearch_root_state", "Whether a folder is in a state.", labels=("root", "state"))
        for root, monitor in monitors.items():
            for state in _STATES:
                states.add_metric([printable(root), state], state == monitor.state)
        yield states
        photos = {root: library.count(root) for root in monitors}
        yield gauges("phsearch_root_photos", "Photos of a folder.", "root", photos)
        missing = {root: monitor.missing for root, monitor in monitors.items()}
        help_ = "Photos that are kept though their files are not there."
        yield gauges("phsearch_root_missing_photos", help_, "root", missing)
        watched = {root: monitor.folders[0] for root, monitor in monitors.items()}
        yield gauges("phsearch_root_watched_folders", "Folders that are watched.", "root", watched)
        unwatched = {root: monitor.folders[1] for root, monitor in monitors.items()}
        help_ = "Folders that are scanned on a timer instead."
        yield gauges("phsearch_root_unwatched_folders", help_, "root", unwatched)
        overflows = {root: monitor.overflows for root, monitor in monitors.items()}
        help_ = "Times that events were lost, and made good by a scan."
        yield counters("phsearch_root_overflows_total", help_, "root", overflows)

    def _stages(self) -> Iterator[Metric]:
        router, worker, work = self._components.router, self._components.image_worker, self._components.throughput.total
        waiting = {
            "settling": router.settling,
            "reading": max(router.queued - worker.pending, 0),
            "embedding": worker.pending - worker.held,
            "worker": worker.held,
            "writing": self._components.writer.pending,
        }
        yield gauges("phsearch_queue_photos", "Photos on their way, by stage.", "stage", waiting)
        seconds = {
            "reading": work.reading,
            "decode": work.decoding,
            "decode_wait": work.waiting,
            "model": work.model,
            "store": work.writing,
        }
        help_ = "Time spent; decode_wait is the model's, for the decoders."
        yield counters("phsearch_stage_busy_seconds_total", help_, "stage", seconds)
        photos = {"reading": work.read, "decode": work.decoded, "model": work.embedded, "store": work.written}
        yield counters("phsearch_stage_photos_total", "Photos that passed a stage.", "stage", photos)
        stage = self._components.throughput.sample().stage
        holding: dict[str, float] = {each: each == stage for each in STAGES}
        yield gauges("phsearch_bottleneck", "Which stage holds up the photos.", "stage", holding)

    def _processes(self) -> Iterator[Metric]:
        worker_stats, pids = self._components.worker_stats, self._components.processes
        memory = {name: self._resident(pid) for name, pid in pids.items()}
        yield gauges("phsearch_resident_memory_bytes", "Memory in use.", "process", memory)
        files = {name: self._open_files(pid) for name, pid in pids.items()}
        yield gauges("phsearch_open_fds", "Open file descriptors.", "process", files)
        running = {name: stats.pid is not None for name, stats in worker_stats.items()}
        yield gauges("phsearch_worker_running", "Whether a worker runs.", "worker", running)
        starts = {name: stats.starts for name, stats in worker_stats.items()}
        yield counters("phsearch_worker_starts_total", "Workers that were started.", "worker", starts)
        help_ = "Workers that died, by cause."
        exits = CounterMetricFamily("phsearch_worker_deaths_total", help_, labels=("worker", "cause"))
        for name, stats in worker_stats.items():
            for cause, count in stats.exits.items():
                exits.add_metric([name, cause], count)
        yield exits

    def _index(self, tables: Iterable[TableStats]) -> Iterator[Metric]:
        writer = self._components.writer
        sizes = {table.name: table.bytes for table in tables}
        yield gauges("phsearch_index_bytes", "Bytes on disk.", "table", sizes)
        for name, help_ in (("rows", "Rows"), ("fragments", "Fragments"), ("versions", "Versions that are kept")):
            values = {table.name: getattr(table, name) for table in tables if not table.former}
            yield gauges(f"phsearch_index_{name}", f"{help_} of a table.", "table", values)
        help_ = "When the index was last written with success."
        yield gauge("phsearch_index_last_write_timestamp_seconds", help_, writer.written_at)
        help_ = "When the index was last tidied."
        yield gauge("phsearch_index_last_maintenance_timestamp_seconds", help_, writer.optimized_at)
        yield gauge("phsearch_index_writable", "Whether the last write worked.", writer.problem is None)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return [family for family in self._families if family.samples]


def render(families: Iterable[Metric]) -> str:
    """Return the families as text, without those that have no samples."""
    registry = CollectorRegistry()
    registry.register(_Families(families))
    return generate_latest(registry).decode()


def gauge(name: str, help_: str, value: float | None) -> Metric:
    """Return a gauge; without a sample if the value is not known."""
    return GaugeMetricFamily(name, help_, value)


def counter(name: str, help_: str, value: float) -> Metric:
    """Return a counter; its name ends in "_total"."""
    return CounterMetricFamily(name, help_, value)


def gauges(name: str, help_: str, label: str, values: Mapping[str, float | None]) -> Metric:
    """Return a gauge with one sample for each value of a label; what is not known is left out."""
    return _labelled(GaugeMetricFamily(name, help_, labels=(label,)), values)


def counters(name: str, help_: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return a counter with one sample for each value of a label."""
    return _labelled(CounterMetricFamily(name, help_, labels=(label,)), values)


def _labelled(
    family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float | None] | Mapping[str, float]
) -> Metric:
    for each, value in values.items():
        if value is not None:
            family.add_metric([printable(each)], value)
    return family


def printable(label: str) -> str:
    r"""Return a label in UTF-8. Any other byte becomes \xff, and a backslash two, so that no two labels become one."""
    return "".join(_printable_char(char) for char in label)


def _printable_char(char: str) -> str:
    if char == "\\":
        return r"\\"
    code = ord(char)
    return f"\\x{code - 0xDC00:02x}" if _FIRST_BYTE <= code <= _LAST_BYTE else char
