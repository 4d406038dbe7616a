"""Which stage holds up the photos, told from seconds and counts."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.domain.throttle.policy import FULL, ThrottleState
from phsearch.domain.throughput import STAGES, Backlog, Capacity, StageCounts, bottleneck

SIXTEEN = Capacity(processors=16, readers=2, decode_threads=2, device="cpu")
PAUSED = ThrottleState("paused", 0.0, ("owner",), "until 18:30")
BUSY = Backlog(unread=500, unembedded=60, unwritten=0)
# Ten seconds in which two threads decoded 450 photos while the model slept most of the time.
DECODING = StageCounts(
    reading=2, read=500, decoding=19, decoded=450, waiting=9, model=0.5625, embedded=450, writing=0.1, written=400
)


def test_a_model_that_waits_for_the_decoders_is_decode_bound_and_the_way_out_is_named() -> None:
    found = bottleneck(DECODING, 10, BUSY, SIXTEEN)
    assert found.stage == "decode"
    assert found.text == "decode-bound: 45 photos/s of the model's 800/s"
    assert found.remedy == "raise index.decode_threads (now 2 of 16 processors)"
    assert (found.rates.reached, found.rates.model, found.rates.decode) == (45, 800, 47.4)


def test_where_every_processor_decodes_already_no_threads_are_asked_for() -> None:
    machine = dataclasses.replace(SIXTEEN, decode_threads=16)
    assert "raise" not in bottleneck(DECODING, 10, BUSY, machine).remedy


@pytest.mark.parametrize(("device", "said"), [("cpu", "a GPU or a smaller model"), ("cuda", "cuda does what it can")])
def test_a_model_that_never_waits_is_model_bound(device: str, said: str) -> None:
    work = StageCounts(reading=0.2, read=160, decoding=1, decoded=128, waiting=0.1, model=9.8, embedded=120)
    found = bottleneck(work, 10, BUSY, dataclasses.replace(SIXTEEN, device=device))
    assert (found.stage, found.text) == ("model", "model-bound: 12 photos/s of the decoders' 256/s")
    assert said in found.remedy


@pytest.mark.parametrize(("device", "said"), [("cpu", "a GPU would help"), ("cuda", "")])
def test_no_smaller_model_than_the_smallest_is_recommended(device: str, said: str) -> None:
    work = StageCounts(reading=0.2, read=160, decoding=1, decoded=128, waiting=0.1, model=9.8, embedded=120)
    assert bottleneck(work, 10, BUSY, dataclasses.replace(SIXTEEN, device=device, smallest=True)).remedy == said


def test_other_programs_that_take_the_processor_are_named_as_the_cause() -> None:
    starved = dataclasses.replace(DECODING, processor=DECODING.decoding / 5)
    assert bottleneck(starved, 10, BUSY, SIXTEEN).remedy == (
        "other programs keep the processor busy: indexing gets 20% of it"
    )
    fine = dataclasses.replace(DECODING, processor=DECODING.decoding * 0.9)
    assert bottleneck(fine, 10, BUSY, SIXTEEN).remedy == "raise index.decode_threads (now 2 of 16 processors)"


def test_a_worker_without_photos_while_some_are_unread_is_reading_bound() -> None:
    work = StageCounts(reading=19, read=40, decoding=0.4, decoded=32, waiting=0.3, model=0.4, embedded=32)
    found = bottleneck(work, 10, Backlog(unread=900, unembedded=4, unwritten=0), SIXTEEN)
    assert (found.stage, found.text) == (
        "reading",
        "reading-bound: 3.2 photos/s reach the model, which could take 80/s",
    )


def test_a_disk_so_slow_that_the_model_has_seen_nothing_is_reading_bound_too() -> None:
    work = StageCounts(reading=18, read=9)
    assert bottleneck(work, 10, Backlog(unread=900, unembedded=2, unwritten=0), SIXTEEN).stage == "reading"


def test_a_model_busy_with_its_first_batch_is_not_taken_for_a_slow_disk() -> None:
    work = StageCounts(reading=18, read=512)
    assert bottleneck(work, 10, Backlog(unread=900, unembedded=500, unwritten=0), SIXTEEN).stage == "measuring"


def test_changes_that_pile_up_before_the_disk_are_store_bound() -> None:
    work = StageCounts(writing=9, written=900, embedded=2000, model=1, decoded=2000, decoding=2)
    found = bottleneck(work, 10, Backlog(unread=0, unembedded=0, unwritten=3000), SIXTEEN)
    assert (found.stage, found.text) == ("store", "store-bound: 100 changes/s are written, 3,000 wait")
    assert "--state-dir" in found.remedy


def test_who_holds_back_on_purpose_is_no_slow_disk() -> None:
    found = bottleneck(DECODING, 10, dataclasses.replace(BUSY, slowed=PAUSED), SIXTEEN)
    assert (found.stage, found.text, found.remedy) == ("slowed", f"on purpose: {PAUSED}", "phsearch-client resume")
    battery = ThrottleState("throttled", 0.25, ("battery",), "on battery")
    found = bottleneck(DECODING, 10, dataclasses.replace(BUSY, slowed=battery), SIXTEEN)
    assert found.remedy == "phsearch-client resume --force"


def test_nothing_is_said_of_a_handful_of_photos() -> None:
    work = StageCounts(reading=0.1, read=3, decoding=0.1, decoded=3, waiting=0.1, model=0.01, embedded=3)
    found = bottleneck(work, 1, Backlog(unread=0, unembedded=2, unwritten=0), SIXTEEN)
    assert (found.stage, found.remedy, found.rates.reached) == ("measuring", "", None)


def test_with_nothing_to_do_there_is_no_bottleneck() -> None:
    found = bottleneck(DECODING, 10, Backlog(0, 0, 0), SIXTEEN)
    assert (found.stage, found.text, found.remedy) == ("idle", "nothing to do", "")


def test_a_trickle_of_photos_is_no_slow_disk() -> None:
    work = StageCounts(reading=0.1, read=10, decoding=0.1, decoded=10, waiting=0.1, model=0.2, embedded=10)
    assert bottleneck(work, 60, Backlog(unread=0, unembedded=1, unwritten=0), SIXTEEN).stage == "idle"


_SECONDS = st.floats(0, 1e6)
_COUNTS = st.integers(0, 10**6)


@given(
    st.builds(
        StageCounts,
        reading=_SECONDS,
        read=_COUNTS,
        decoding=_SECONDS,
        decoded=_COUNTS,
        waiting=_SECONDS,
        model=_SECONDS,
        embedded=_COUNTS,
        writing=_SECONDS,
        written=_COUNTS,
    ),
    _SECONDS,
    st.builds(Backlog, _COUNTS, _COUNTS, _COUNTS, st.sampled_from([FULL, PAUSED])),
    st.builds(Capacity, st.integers(1, 256), st.integers(1, 64), st.integers(1, 256), st.sampled_from(["cpu", "cuda"])),
)
def test_for_any_numbers_one_known_stage_is_named_in_a_sentence(
    work: StageCounts, seconds: float, backlog: Backlog, machine: Capacity
) -> None:
    found = bottleneck(work, seconds, backlog, machine)
    assert found.stage in STAGES
    assert found.text
    assert bool(found.remedy) == (found.stage not in {"idle", "measuring"})
