"""The service under a real systemd, as its user's: installed, started by a query, watched, hardened, removed.

One machine serves all of these tests, in their order: the service is installed first and removed last. Most use the
colour worker, by a drop-in such as an owner may write.
"""

from __future__ import annotations

import io
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import skimage
from PIL import Image

from phsearch.installer import units
from support.harness import wait_until
from support.machine.systemd_machine import HOME, PROJECT, RUNTIME, Machine, systemd_machine, why_not
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

UNITS = HOME / ".config" / "systemd" / "user"
CONFIG = HOME / ".config" / "phsearch" / "config.toml"
STATE = HOME / ".local" / "state" / "phsearch"
MAN = HOME / ".local" / "share" / "man"
PHOTOS = HOME / "my photos"
OWN = UNITS / "phsearch.service.d" / "own.conf"
SERVICE = "phsearch.service"
SKIMAGE = Path(skimage.__file__).parent / "data"
COLOURS = f"""[Service]
ExecStart=
ExecStart={sys.executable} {PROJECT}/tests/support/daemons/colour.py
RestartSec=100ms
WatchdogSec=3
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with systemd_machine() as machine:
        yield machine


@pytest.fixture(scope="module")
def service(machine: Machine) -> Machine:
    """Return the machine with the service installed, and run with the colour worker."""
    machine.put(OWN, COLOURS)
    machine.put(CONFIG, f'roots = ["{PHOTOS}"]\n[watch]\nsettle_seconds = 0.2\n[service]\nmemory_high = "3G"\n')
    put(machine, "red.png", (255, 0, 0))
    put(machine, "blue.png", (0, 0, 255))
    machine.run("phsearchd", "install", "--now")
    found(machine, "red.png", "red")
    return machine


def put(machine: Machine, name: str, colour: tuple[int, int, int]) -> None:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(data, "PNG")
    machine.put(PHOTOS / name, data.getvalue())


def found(machine: Machine, name: str, *query: str) -> None:
    """Ask with the real client until the photo is the best hit."""

    def first() -> bool:
        return machine.run("phsearch-client", *query, check=False).stdout.partition("\n")[0].endswith(f"/{name}")

    wait_until(first, f"{query} finds {name}", 60)


def pid(machine: Machine) -> int:
    return int(machine.show(SERVICE, "MainPID")["MainPID"])


def inside(machine: Machine, script: str) -> str:
    """Run a script in the service's own view of the system."""
    view = f"nsenter --target {pid(machine)} --user --mount --preserve-credentials"
    return machine.shell(f"{view} bash -c {shlex.quote(script)}", check=False)


def restarted(machine: Machine, before: int) -> None:
    wait_until(lambda: pid(machine) not in (0, before), "another daemon runs", 60)
    found(machine, "red.png", "red")


def test_from_nothing_to_searching_in_two_commands(machine: Machine) -> None:
    for name in ("chelsea.png", "coffee.png", "rocket.jpg"):
        machine.put(PHOTOS / name, (SKIMAGE / name).read_bytes())
    done = machine.run("phsearchd", "install", "--now", "--root", PHOTOS)
    assert f"settings  {CONFIG} (new)" in done.stdout
    assert "loginctl enable-linger owner" in done.stdout
    assert machine.read(MAN / "man1" / "phsearchd.1").startswith('.\\" phsearch')
    assert done.stdout.endswith('phsearch-client "a dog in the snow"\n')
    done = machine.run("phsearch-client", f"--sync={scaled(60)}", "a cat")
    assert done.stdout.partition("\n")[0].endswith("/chelsea.png"), done
    enabled = machine.systemctl("is-enabled", SERVICE, "phsearch.socket").stdout.split()
    assert enabled == ["enabled", "enabled"], "it runs from the next login on"

    machine.systemctl("stop", SERVICE)
    done = machine.run("phsearch-client", "a", "cup", "of", "coffee")
    assert done.stdout.partition("\n")[0].endswith("/coffee.png"), "the first query after a cold start is answered"

    machine.run("phsearchd", "uninstall", "--purge", "--yes")
    machine.run("rm", "-r", PHOTOS)


def test_ready_means_that_it_answers_and_its_status_is_one_line(service: Machine) -> None:
    service.systemctl("restart", SERVICE)
    answer = service.run("phsearch-client", f"--timeout={scaled(5)}", "status").stdout
    assert f"pid {pid(service)}" in answer
    wait_until(lambda: service.show(SERVICE, "StatusText")["StatusText"] == "2 photos", "the status line", 20)


def test_a_query_starts_a_daemon_that_is_stopped(service: Machine) -> None:
    service.systemctl("stop", SERVICE)
    assert service.show(SERVICE, "ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}
    done = service.run("phsearch-client", "red")
    assert done.stdout.partition("\n")[0].endswith("/red.png")
    assert service.exists(RUNTIME / "phsearch" / "phsearch.sock"), "the socket is systemd's and stays"


def test_a_daemon_that_is_killed_is_started_again(service: Machine) -> None:
    before = pid(service)
    service.run("kill", "-9", str(before))
    restarted(service, before)


def test_a_worker_that_is_killed_for_its_memory_takes_nobody_with_it(service: Machine) -> None:
    before = pid(service)
    workers = service.read(f"/proc/{before}/task/{before}/children").split()
    service.run("kill", "-9", *workers)
    found(service, "red.png", "red")
    assert pid(service) == before
    assert service.show(SERVICE, "OOMPolicy")["OOMPolicy"] == "continue"


def test_a_daemon_that_hangs_is_ended_says_where_and_is_started_again(service: Machine) -> None:
    before = pid(service)
    service.run("kill", "-STOP", str(before))
    restarted(service, before)
    said = "\n".join(entry["MESSAGE"] for entry in service.journal() if entry.get("_PID") == str(before))
    assert "Fatal Python error: Aborted" in said
    assert "run.py" in said, f"the journal shows where it was: {said}"
    assert any("Watchdog timeout" in entry["MESSAGE"] for entry in service.journal(field="USER_UNIT"))


def test_a_bad_setting_is_said_to_who_asks_and_not_tried_again(service: Machine) -> None:
    good = service.read(CONFIG)
    service.systemctl("stop", SERVICE)
    service.put(CONFIG, "rots = []\n")
    try:
        done = service.run("phsearch-client", "red", check=False)
        wait_until(lambda: service.show(SERVICE, "ActiveState")["ActiveState"] == "failed", "it has given up")
        shown = service.show(SERVICE, "ExecMainStatus", "NRestarts")
    finally:
        service.put(CONFIG, good)
    assert "phsearchd cannot start: " in done.stderr
    assert 'did you mean "roots"?' in done.stderr
    assert done.returncode == 1
    assert shown == {"ExecMainStatus": "78", "NRestarts": "0"}
    (entry,) = [entry for entry in service.journal() if "rots" in entry["MESSAGE"]]
    assert entry["PRIORITY"] == "3"
    assert service.run("phsearch-client", "red").stdout, "the socket waits for better settings"


def test_it_stops_within_its_time_out_also_while_it_indexes(service: Machine) -> None:
    data = io.BytesIO()
    Image.new("RGB", (800, 600)).save(data, "JPEG")
    service.put(HOME / "one", data.getvalue())
    service.shell(f"for n in $(seq 400); do (cat one; echo $n) >{shlex.quote(str(PHOTOS))}/many$n.jpg; done")
    wait_until(lambda: "pending" in service.show(SERVICE, "StatusText")["StatusText"], "it indexes")
    service.systemctl("stop", SERVICE)
    # Were it too late for TimeoutStopSec, systemd would kill it.
    assert service.show(SERVICE, "Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}
    service.shell(f"rm {shlex.quote(str(PHOTOS))}/many*")
    service.systemctl("start", SERVICE)


def test_its_settings_are_in_effect(service: Machine) -> None:
    names = ("Slice", "MemoryHigh", "CPUWeight", "IOWeight", "TasksMax", "KillMode", "Restart", "NotifyAccess")
    assert service.show(SERVICE, *names) == {
        "Slice": "background.slice",
        "MemoryHigh": str(3 << 30),
        "CPUWeight": "20",
        "IOWeight": "10",
        "TasksMax": "4096",
        "KillMode": "mixed",
        "Restart": "on-failure",
        "NotifyAccess": "main",
    }
    # The query worker inherits the priority. What only indexes lowers its own.
    assert "none: prio 0" in service.run("ionice", "-p", str(pid(service))).stdout
    limits = service.read(f"/proc/{pid(service)}/limits")
    assert "Max core file size        0" in limits
    environment = service.run("cat", f"/proc/{worker(service)}/environ").stdout
    assert "LISTEN_FDS" not in environment
    assert "NOTIFY_SOCKET" not in environment


def worker(machine: Machine) -> str:
    main = pid(machine)
    children: list[str] = wait_until(
        lambda: machine.read(f"/proc/{main}/task/{main}/children").split(), "a worker runs", 30
    )
    return children[0]


def test_it_can_write_its_own_files_and_nothing_else(service: Machine) -> None:
    places = [HOME, PHOTOS, STATE, HOME / ".cache", HOME / ".cache" / "huggingface", CONFIG.parent, RUNTIME]
    script = "; ".join(
        f"touch {shlex.quote(str(place))}/probe 2>/dev/null && echo {shlex.quote(str(place))}" for place in places
    )
    assert inside(service, script).splitlines() == [str(STATE), str(HOME / ".cache" / "huggingface")]
    assert "Read-only file system" in inside(service, f"rm {shlex.quote(str(PHOTOS))}/red.png 2>&1")
    service.run("rm", STATE / "probe")
    inside(service, "touch /tmp/probe")
    assert not service.exists(HOME.parents[1] / "tmp" / "probe"), "its /tmp is its own"


def test_it_has_no_rights_but_its_users(service: Machine) -> None:
    status = service.read(f"/proc/{pid(service)}/status")
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(values["CapEff"], 16) == int(values["CapBnd"], 16) == 0
    assert values["NoNewPrivs"] == "1"
    assert values["Seccomp"] == "2", "system calls are filtered"


def test_disks_that_are_mounted_later_are_seen_and_can_be_taken_out_again(service: Machine) -> None:
    disk = shlex.quote(str(PHOTOS / "disk"))
    service.run("mkdir", PHOTOS / "disk")
    service.shell(f"mount -t tmpfs disk {disk} && cp -p {shlex.quote(str(PHOTOS))}/blue.png {disk}/same.png", root=True)
    try:
        wait_until(lambda: "same.png" in inside(service, f"ls {disk}"), "the service sees the disk")
        service.run("phsearch-client", "rescan")
        wait_until(
            lambda: "/same.png" in service.run("phsearch-client", "--expand", "blue").stdout, "its photo is found", 30
        )
    finally:
        service.run("umount", PHOTOS / "disk", root=True)  # "target is busy", were it held in the service's view
    assert inside(service, f"ls {disk}") == ""


def test_a_share_that_hangs_does_not_hold_up_the_start(service: Machine) -> None:
    service.systemctl("stop", SERVICE)
    script = (
        f"import sys; sys.path.insert(0, {str(PROJECT / 'tests')!r})\n"
        "from pathlib import Path\nfrom support.machine import hung_fs\n"
        f"with hung_fs.hung(Path({str(HOME / 'share')!r}), 'allow_other'):\n"
        "    print('hung', flush=True); sys.stdin.read()\n"
    )
    service.run("mkdir", "-p", HOME / "share")
    share = service.start(sys.executable, "-c", script, root=True)
    try:
        assert share.stdout is not None
        if share.stdout.readline() != "hung\n":
            pytest.skip("no file system can be made to hang here")
        begun = time.monotonic()
        service.systemctl("start", SERVICE)
        assert time.monotonic() - begun < scaled(15)
        found(service, "red.png", "red")
    finally:
        share.communicate()


def test_any_path_can_be_started(machine: Machine) -> None:
    odd = HOME / "we ird; %h $HOME ü" / "phsearchd"
    machine.put(odd, '#!/bin/sh\n(printf "%s\\n" "$@"; echo "$ODD") >~/heard\n')
    machine.run("chmod", "+x", odd)
    words = ("$HOME", "${HOME}", "%t", 'a "b" c', "\\x41", "it's", "")
    variable = 'a %h $b "c" \\'
    state = HOME / "st ate %h"
    fitting = units.UnitValues(
        command=(str(odd), *words), state=str(state), downloads=str(HOME / "d"), memory_high="", env={"ODD": variable}
    )
    text = "[Service]\nType=oneshot\nUMask=0077\nExecStartPre=+:mkdir -p %h/.local/state/phsearch\nExecStart=x\n"
    machine.put(UNITS / "odd.service", units.render(text, fitting))
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "odd.service")
    assert machine.read(HOME / "heard").splitlines() == [*words, variable]
    assert machine.exists(state)
    machine.run("rm", UNITS / "odd.service")


def test_the_journal_tells_what_it_did_and_nothing_that_went_wrong_in_it(service: Machine) -> None:
    said = [(entry["PRIORITY"], entry["MESSAGE"]) for entry in service.journal()]
    assert any(message.startswith("phsearch: phsearch ") and "listening on" in message for _, message in said)
    assert ("6", "phsearch: stopping") in said
    assert ("4", "phsearch.query: query worker ended; starting another") in said
    assert not [message for _, message in said if "Traceback" in message]


def test_another_install_keeps_the_settings_and_what_the_owner_added(service: Machine) -> None:
    before = service.read(CONFIG)
    done = service.run("phsearchd", "install", "--root", "/elsewhere", check=False)
    assert done.returncode == 78
    assert 'write roots = ["/elsewhere"] into it' in done.stderr
    service.run("rm", UNITS / "phsearch.socket")
    # As pipx and uv make it: a link that stays when what it points at is made anew.
    link = HOME / ".local" / "bin" / "phsearchd"
    service.run("mkdir", "-p", link.parent)
    service.run("ln", "-s", Path(sys.executable).with_name("phsearchd"), link)
    done = service.run(link, "install", "--root", PHOTOS)
    assert f"ExecStart=:{link}\n" in service.read(UNITS / "phsearch.service")
    assert f"{CONFIG} (kept)" in done.stdout
    assert "systemctl --user restart phsearch.service" in done.stdout
    assert service.exists(UNITS / "phsearch.socket")
    assert (service.read(CONFIG), service.read(OWN)) == (before, COLOURS)


def test_a_unit_that_is_somebody_elses_is_neither_written_nor_removed(service: Machine) -> None:
    ours = service.read(UNITS / "phsearch.socket")
    service.put(UNITS / "phsearch.socket", "[Socket]\nListenStream=/run/mine\n")
    done = service.run("phsearchd", "install", check=False)
    assert done.returncode == 1
    assert f"{UNITS}/phsearch.socket is in the way" in done.stderr
    assert "mine" in service.read(UNITS / "phsearch.socket")
    service.put(UNITS / "phsearch.socket", ours)


def test_where_the_sandbox_cannot_be_had_the_service_is_installed_without(service: Machine) -> None:
    forbid = UNITS / "phsearch-trial.service.d" / "forbidden.conf"
    service.put(forbid, "[Service]\nExecStartPre=false\n")
    sandbox = UNITS / "phsearch.service.d" / "sandbox.conf"
    assert service.exists(sandbox)
    assert "without their sandbox" in service.run("phsearchd", "install").stdout
    assert not service.exists(sandbox)
    service.run("rm", "-r", forbid.parent)
    assert "sandbox" not in service.run("phsearchd", "install", "--now").stdout
    assert service.exists(sandbox)


def test_who_stops_the_socket_stops_the_daemon(service: Machine) -> None:
    found(service, "red.png", "red")
    service.systemctl("stop", "phsearch.socket")
    wait_until(lambda: service.show(SERVICE, "ActiveState")["ActiveState"] == "inactive", "the daemon stopped", 40)
    done = service.run("phsearch-client", "red", check=False)
    assert (done.returncode, "phsearchd is not running" in done.stderr) == (69, True)


def test_photos_that_the_service_could_not_see_are_refused(service: Machine) -> None:
    good = service.read(CONFIG)
    service.put(CONFIG, 'roots = ["/tmp/photos"]\n')
    done = service.run("phsearchd", "install", check=False)
    service.put(CONFIG, good)
    assert done.returncode == 1
    assert "would not see /tmp/photos" in done.stderr


def test_a_program_that_the_service_could_not_see_is_refused(service: Machine) -> None:
    service.run("sh", "-c", "mkdir -p /tmp/bin && ln -sf $(command -v phsearchd) /tmp/bin/phsearchd")
    done = service.run("/tmp/bin/phsearchd", "install", check=False)
    assert done.returncode == 1
    assert "would not see /tmp/bin/phsearchd: install phsearch somewhere else" in done.stderr


def test_a_daemon_that_was_started_by_hand_is_not_robbed_of_its_socket(service: Machine) -> None:
    by_hand = service.start("bash", "-c", f"echo $$; exec {sys.executable} {PROJECT}/tests/support/daemons/colour.py")
    assert by_hand.stdout is not None
    number = by_hand.stdout.readline().strip()
    try:
        wait_until(lambda: service.exists(RUNTIME / "phsearch" / "phsearch.sock"), "it listens")
        done = service.run("phsearchd", "install", "--now", check=False)
        assert done.returncode == 1
        assert "a phsearchd runs already that systemd did not start" in done.stderr
    finally:
        service.run("kill", number)
        by_hand.communicate()


def test_uninstall_leaves_photos_index_and_settings_and_purge_only_photos(service: Machine) -> None:
    service.put(STATE / "notes.txt", "not phsearch's")
    service.run("ln", "-s", PHOTOS, STATE / "index" / "link")
    service.run("phsearchd", "install", "--now")
    service.put(MAN / "man1" / "phsearchd.1", ".TH mine 1\n")
    done = service.run("phsearchd", "uninstall")
    assert service.shell(f"find {MAN} -type f").split() == [str(MAN / "man1" / "phsearchd.1")], "not ours"
    assert f"kept      {STATE}" in done.stdout
    assert service.shell(f"ls -A {UNITS}").split() == ["phsearch.service.d"]
    assert service.exists(OWN), "the owner's drop-in"
    assert service.systemctl("is-active", SERVICE, "phsearch.socket", check=False).stdout.split() == ["inactive"] * 2
    assert "phsearchd is not running" in service.run("phsearch-client", "red", check=False).stderr

    done = service.run("phsearchd", "uninstall", "--purge", check=False)
    assert done.returncode == 1
    assert "say --yes" in done.stderr
    done = service.run("phsearchd", "uninstall", "--purge", "--yes")
    assert "notes.txt did not come from phsearch" in done.stdout
    assert service.shell(f"ls -A {STATE}").split() == ["notes.txt"]
    assert not service.exists(CONFIG)
    assert service.exists(PHOTOS / "red.png"), "links are not followed"
