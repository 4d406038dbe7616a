"""Models for a person: those to choose from, and a change from one to another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from phsearch.cli.render.table import cell, format_bytes, format_duration, table, tsv

if TYPE_CHECKING:
    from phsearch.cli.terminal import Console
    from phsearch.wire.results.daemon import SwitchStatus
    from phsearch.wire.results.model import ModelEntry, ModelList

_HEADINGS = ("preset", "state", "languages", "download", "disk", "memory", "this library", "model", "")
_STATES = {"active": "answers", "preparing": "preparing", "kept": "kept"}


def model_name(name: str, pretrained: str) -> str:
    """Return a model's name as `model use` takes it."""
    return f"{name}/{pretrained}" if pretrained else name


def format_models(found: ModelList, console: Console) -> str:
    """Return the models as a table, with what is published of each below it; for a pipe they are TSV."""
    rows = [_fields(entry) for entry in found.models]
    if not console.terminal:
        return "".join(tsv(row).decode("utf-8", "surrogateescape") for row in rows)
    text = table([(row, "") for row in rows], console, _HEADINGS)
    notes = [f"{cell(entry.preset or entry.name)}: {cell(entry.quality)}" for entry in found.models if entry.quality]
    notes.append("disk and memory are for 100,000 photos")
    if found.measured:
        notes.append(f"the time is for {found.photos:,} photos, by {found.measured:,} that were embedded again")
    return text + "".join(console.dim(note) + "\n" for note in notes)


def _fields(entry: ModelEntry) -> tuple[str, ...]:
    download = "" if entry.download_mb is None else f"{entry.download_mb:,} MB" if entry.download_mb else "none"
    if entry.index_mb is not None:
        disk = f"{format_bytes(round(entry.index_mb * 1e6))} here"
    else:
        disk = "" if entry.disk_mb is None else f"{entry.disk_mb:,.0f} MB"
    memory = "" if entry.ram_mb is None else f"{entry.ram_mb:,.0f} MB"
    seconds = "" if entry.seconds is None else format_duration(entry.seconds)
    state = _STATES.get(entry.state, "")
    if entry.forgotten_at is not None:
        state = time.strftime("kept until %Y-%m-%d", time.localtime(entry.forgotten_at))
    name = model_name(entry.name, entry.pretrained)
    return entry.preset, state, entry.languages, download, disk, memory, seconds, name


def format_needs(switch: SwitchStatus) -> str:
    """Return what a change takes of the disk, in brackets, "" where nothing is known."""
    parts = [f"up to {switch.download_mb:,} MB to download"] if switch.download_mb else []
    if switch.index_mb is not None:
        parts.append(f"{format_bytes(round(switch.index_mb * 1e6))} of index")
    return f" ({', '.join(parts)})" if parts else ""


def format_switch(switch: SwitchStatus) -> str:
    """Return a change of the model as one line."""
    text = f"{model_name(switch.name, switch.pretrained)}: {switch.state}"
    if switch.download is not None:
        text += f" {switch.download.done / 1e6:,.0f} of {switch.download.total / 1e6:,.0f} MB"
        eta = switch.download.eta
    else:
        text += f", {switch.done:,} of {switch.total:,} photos"
        eta = switch.eta
    if switch.rate:
        text += f", {switch.rate:.1f} a second"
    if eta is not None:
        text += f", {format_duration(eta)} left"
    if switch.index_mb is not None:
        text += f", {format_bytes(round(switch.index_mb * 1e6))} on the disk in the end"
    if switch.failed:
        text += f", {switch.failed:,} cannot be embedded"
    if switch.reason:
        text += f"; {switch.reason}: {switch.hint}" if switch.hint else f"; {switch.reason}"
    return cell(text)
