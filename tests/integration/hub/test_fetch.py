"""A download survives cuts, is compared with its checksum, and says in one sentence why it cannot be had."""

from __future__ import annotations

import random
import socket
from collections import namedtuple
from typing import TYPE_CHECKING

import pytest

from support.fake_hub import FakeHub, Faults, serving
from support.lazy import LazyModule
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phsearch.errors import ModelUnavailableError

hub_adapter = LazyModule("phsearch.adapters.hub")
http_client = LazyModule("huggingface_hub")

REPOSITORY, NAME = "laion/tiny", "open_clip_model.safetensors"
CONTENT = random.Random(0).randbytes(1_000_000)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serving({(REPOSITORY, NAME): CONTENT}) as hub:
        use_hub(monkeypatch, hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield hub


def use_hub(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )


def download(**patience: float) -> tuple[Path, list[tuple[int, int]]]:
    """Return the fetched file, and what was reported of its progress."""
    reported: list[tuple[int, int]] = []
    quick = {"answer_seconds": scaled(5), "silent_seconds": scaled(5), "tries": 3, "pause_seconds": 0.0}
    path = hub_adapter.fetch_file(
        REPOSITORY, NAME, lambda *at: reported.append(at), hub_adapter.Patience(**quick | patience)
    )
    return path, reported


def refusal(**patience: float) -> ModelUnavailableError:
    """Return what is said of a download that fails."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any of them is explained
        download(**patience)
    error: ModelUnavailableError = hub_adapter.explain(caught.value, REPOSITORY)
    assert "\n" not in error.sentence()
    return error


def test_a_file_is_downloaded_once_and_then_the_hub_is_asked_nothing(hub: FakeHub) -> None:
    path, reported = download()
    assert path.read_bytes() == CONTENT
    assert (reported[0], reported[-1]) == ((0, len(CONTENT)), (len(CONTENT), len(CONTENT)))
    hub.requests.clear()
    assert download() == (path, [])
    assert hub.requests == []


def test_a_line_that_is_cut_again_and_again_costs_no_byte_twice(hub: FakeHub) -> None:
    hub.faults = Faults(cut_after=300_000)
    path, reported = download()
    assert path.read_bytes() == CONTENT
    assert hub.sent == len(CONTENT)
    assert [done for done, _ in reported] == sorted(done for done, _ in reported)


def test_a_later_try_goes_on_where_an_earlier_one_was_given_up(hub: FakeHub) -> None:
    hub.faults = Faults(silent_after=300_000)
    error = refusal(silent_seconds=0.1, tries=1)
    assert "does not answer" in str(error)
    assert "goes on where it was" in error.hint
    hub.faults = Faults()
    path, reported = download()
    assert path.read_bytes() == CONTENT
    assert reported[0][0] > 0
    assert hub.sent == len(CONTENT)


def test_a_slow_line_is_not_a_dead_one(hub: FakeHub) -> None:
    hub.faults = Faults(bytes_a_second=1_000_000)
    assert download(tries=1)[0].read_bytes() == CONTENT


def test_a_server_that_ignores_the_range_sends_all_of_it_again(hub: FakeHub) -> None:
    hub.faults = Faults(cut_after=300_000, no_range=True, times=1)
    assert download()[0].read_bytes() == CONTENT


def test_what_arrives_damaged_is_fetched_anew_once(hub: FakeHub) -> None:
    hub.faults = Faults(corrupt=True, times=1)
    assert download()[0].read_bytes() == CONTENT


def test_what_arrives_damaged_twice_is_given_up_and_leaves_nothing(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults = Faults(corrupt=True)
    assert "its checksum is not that of the hub" in str(refusal())
    assert hub.sent == 2 * len(CONTENT)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.stat().st_size]


def test_a_file_that_was_damaged_in_the_cache_is_replaced(hub: FakeHub) -> None:
    path, _ = download()
    path.resolve().write_bytes(CONTENT[:-1] + b"!")
    assert download()[0].read_bytes() == CONTENT
    assert hub.sent == 2 * len(CONTENT)


@pytest.mark.parametrize(
    ("faults", "said", "remedy"),
    [
        (Faults(status=401, error="GatedRepo"), "accept its terms", "put a token of your account into"),
        (Faults(status=401, error="RepoNotFound"), "has no laion/tiny", "model.pretrained"),
        (Faults(status=429), "too many requests", "wait"),
        (Faults(status=503), "does not work just now (503)", "tried again by itself"),
        (Faults(status=403), "refuses laion/tiny (403)", "put a token of your account into"),
        (Faults(portal=True), "does not answer as a model hub does", "captive portal"),
    ],
)
def test_what_the_hub_refuses_has_its_own_remedy(hub: FakeHub, faults: Faults, said: str, remedy: str) -> None:
    hub.faults = faults
    error = refusal()
    assert said in str(error)
    assert remedy in error.hint


@pytest.mark.usefixtures("hub")
def test_a_hub_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    use_hub(monkeypatch, url)
    error = refusal()
    assert f"{url} cannot be reached" in str(error)
    assert "connect to the network" in error.hint


@pytest.mark.usefixtures("hub")
def test_a_proxy_that_cannot_be_reached_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    use_hub(monkeypatch, "http://hub.invalid")
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    http_client.close_session()  # it has read the environment
    error = refusal()
    assert "the proxy 127.0.0.1:9 cannot be reached" in str(error)
    assert "secret" not in error.sentence()
    http_client.close_session()


def test_the_owner_may_forbid_the_network(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    error = refusal()
    assert "HF_HUB_OFFLINE forbids it" in str(error)
    assert hub.requests == []


def test_a_full_disk_is_noticed_before_the_download(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil has it
    monkeypatch.setattr("phsearch.adapters.hub.fetch.shutil.disk_usage", lambda _folder: usage(10**9, 10**9, 5_000_000))
    error = refusal()
    assert "has 5 MB free, and the download needs 68 MB" in str(error)
    assert "HF_HOME" in error.hint
    assert hub.sent == 0


@pytest.mark.usefixtures("hub")
def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"not a folder")
    error = refusal()
    assert str(tmp_path / "cache") in str(error)
    assert error.hint
