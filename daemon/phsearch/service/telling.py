"""Answers in words, for an assistant that reads them aloud or reasons about them."""

from __future__ import annotations

from typing import Any


def summary(query: str, found: dict[str, Any], shown: int) -> str:
    """Say how many photos were found."""
    if not found["photos"]:
        return f'No photo is indexed yet, so none can match "{query}".{_pending(found)}'
    if not found["hits"]:
        return f'No photo of {found["photos"]:,} matches "{query}" so well.{_pending(found)}'
    cut = f" (the first {shown:,} of {len(found['hits']):,})" if shown < len(found["hits"]) else ""
    return f'The photos of {found["photos"]:,} that match "{query}" best{cut}:{_pending(found)}'


def hit(number: int, hit: dict[str, Any]) -> str:
    """Say one hit in a line."""
    facts = [f"{hit['width']}x{hit['height']} {hit['format']}"]
    if hit["taken_at"]:
        facts.append(f"taken {hit['taken_at'][:10]}")
    if hit["offline"]:
        facts.append("offline: its disk is not there now")
    if hit["band"] is not None:
        facts.insert(
            0, f"{hit['band']} match, probability {hit['relevance']:.2f}" if hit["band"] != "none" else "hardly fits"
        )
    return f"{number}. score {hit['score']:.3f}  {hit['path']}  ({', '.join(facts)})"


def status(found: dict[str, Any]) -> str:
    """Say how the daemon is."""
    model = found["model"]
    counts = f"{found['photos']:,} photos, {found['pending']:,} pending, {found['errors']:,} could not be read"
    lines = [
        f"phsearchd {found['version']}: {counts}.",
        f"Model {model['name']}: {model['state']}{': ' + model['reason'] if model['reason'] else ''}.",
    ]
    lines += [f"Folder {root['path']}: {root['state']}, {root['photos']:,} photos." for root in found["roots"]]
    lines += [f"Note: {notice['text']}: {notice['hint']}" for notice in found["notices"]]
    return "\n".join(lines)


def why(found: dict[str, Any]) -> str:
    """Say where a photo is."""
    said = f"{found['path']}: {found['text']}"
    return f"{said}\n{found['match']['text']}" if found["match"] else said


def _pending(found: dict[str, Any]) -> str:
    return f" {found['pending']:,} more are still being indexed." if found["pending"] else ""
