"""A taken-over index worker can say anything: each message is one of a sound worker, or refused."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import Any

import numpy as np
import pytest

from phsearch.domain.types import PhotoInfo
from phsearch.service.workers.frames import BatchDone, NonsenseError, PhotosEmbedded, parse_message

DIM = 4
INFO = PhotoInfo(640, 480, "JPEG", "2023-06-01T12:30:05.25+02:00", "Pixel 8", "wide", 48.85, 2.35, "exif")
VECTOR = np.array([[0.6, 0.8, 0, 0]], np.float32)
SOUND: dict[str, Any] = {"op": "embedded", "photos": [{"path": "/p/a.jpg", "info": list(dataclasses.astuple(INFO))}]}
MESSAGES: tuple[dict[str, Any], ...] = (
    SOUND,
    {"op": "begun", "path": "/p/a.jpg"},
    {"op": "decoded", "path": "/p/a.jpg"},
    {"op": "failed", "path": "/p/a.jpg", "reason": "damaged", "scope": "content"},
    {"op": "changed", "path": "/p/a.jpg"},
    {"op": "outdated"},
    {"op": "done", "batch": 3, "times": {"decoding": 0.5, "decoded": 1}},
)
FUZZED = 100_000


def with_info(**values: Any) -> dict[str, Any]:
    facts = {name: getattr(INFO, name) for name in PhotoInfo.__slots__} | values
    return {"op": "embedded", "photos": [{"path": "/p/a.jpg", "info": list(facts.values())}]}


def test_what_a_sound_worker_says_is_understood() -> None:
    found = parse_message(SOUND, VECTOR.tobytes(), DIM)
    assert isinstance(found, PhotosEmbedded)
    assert (found.photos, found.vectors.tolist()) == ((("/p/a.jpg", INFO),), VECTOR.tolist())
    assert parse_message(MESSAGES[-1], b"", DIM) == BatchDone(3, {"decoding": 0.5, "decoded": 1})
    bare = with_info(taken_at=None, camera=None, lens=None, lat=None, lon=None, date_source=None)
    assert isinstance(parse_message(bare, VECTOR.tobytes(), DIM), PhotosEmbedded)
    assert isinstance(parse_message(with_info(taken_at="2023-06-01"), VECTOR.tobytes(), DIM), PhotosEmbedded)


@pytest.mark.parametrize(
    "header",
    [
        {}, {"op": "begun"}, {"op": 7}, {"op": "begun", "path": ["/p"]}, {"op": "unknown", "path": "/p"},
        {"op": "embedded"}, {"op": "embedded", "photos": {}}, {"op": "embedded", "photos": [{"path": "/p/a.jpg"}]},
        {"op": "embedded", "photos": [{"path": "/p/a.jpg", "info": [1, 2]}]},
        {"op": "failed", "path": "/p"}, {"op": "failed", "path": "/p", "reason": 7, "scope": "content"},
        {"op": "failed", "path": "/p", "reason": "\x1b[2J", "scope": "content"},
        {"op": "failed", "path": "/p", "reason": "x" * 10_000, "scope": "content"},
        {"op": "failed", "path": "/p", "reason": "damaged", "scope": "me"},
        {"op": "done"}, {"op": "done", "batch": "1", "times": {}}, {"op": "done", "batch": 1, "times": "x"},
        {"op": "done", "batch": 1, "times": {"model": "x"}},
        {"op": "done", "batch": 1, "times": {"model": float("nan")}},
        with_info(width=10**30), with_info(width="640"), with_info(width=0), with_info(height=-1),
        with_info(width=True),
        with_info(format=None), with_info(format="J\x1b"), with_info(camera="\ud800"), with_info(camera="a\x1b[31mb"),
        with_info(camera=["x"]), with_info(lens="a\nb"), with_info(taken_at="soon"), with_info(taken_at=7),
        with_info(taken_at="2023-06-01T12:30:05\x1b"), with_info(lat=float("nan")), with_info(lat=None),
        with_info(lat=91), with_info(lon=1e300), with_info(date_source="me"), with_info(date_source=[]),
    ],
)  # fmt: skip
def test_what_no_sound_worker_says_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(NonsenseError):
        parse_message(header, VECTOR.tobytes(), DIM)


@pytest.mark.parametrize(
    "vectors",
    [b"", b"123", VECTOR.tobytes()[:-4], VECTOR.tobytes() * 2, (VECTOR * 0).tobytes(), (VECTOR * 1e30).tobytes(),
     np.full(4, np.nan, np.float32).tobytes(), np.full(4, np.inf, np.float32).tobytes(), b"\xff" * 16],
)  # fmt: skip
def test_bytes_that_are_no_unit_vectors_of_the_model_are_refused(vectors: bytes) -> None:
    with np.errstate(all="ignore"), pytest.raises(NonsenseError):
        parse_message(SOUND, vectors, DIM)


def mutated(chance: random.Random, value: Any, depth: int = 0) -> Any:
    """Return a value like another one, with something in it changed to anything."""
    if depth and chance.random() < 0.2:
        return chance.choice(
            (
                None,
                True,
                -1,
                0,
                10**30,
                1.5,
                float("nan"),
                float("inf"),
                "",
                "\x1b[2J",
                "\ud800",
                "x" * 600,
                [],
                {},
                [[]],
                "/p",
            )
        )
    if isinstance(value, dict):
        found = {key: mutated(chance, each, depth + 1) for key, each in value.items()}
        if chance.random() < 0.1:
            found.pop(chance.choice(list(found)), None) if found else None
        return found
    if isinstance(value, list):
        return [mutated(chance, each, depth + 1) for each in value] * chance.choice((1, 1, 1, 0, 2))
    return value


def test_a_hundred_thousand_generated_answers_are_messages_or_nonsense_and_nothing_else() -> None:
    chance = random.Random(3)
    understood = 0
    for _ in range(FUZZED):
        header = mutated(chance, chance.choice(MESSAGES))
        payload = chance.choice((VECTOR.tobytes(), b"", chance.randbytes(16), VECTOR.tobytes() * 2))
        try:
            found = parse_message(header, payload, DIM)
        except NonsenseError as error:
            refused = str(error)
            assert refused.isprintable()
        else:
            understood += 1
            if isinstance(found, PhotosEmbedded):
                assert np.isfinite(found.vectors).all()
                json.dumps([dataclasses.astuple(info) for _, info in found.photos], allow_nan=False)
    assert FUZZED // 20 < understood < FUZZED
