"""A machine booted by a real systemd, for tests of the service: not a virtual machine, only namespaces.

systemd runs as process 1 of its own namespaces (pid, mount, uts, ipc, cgroup), over an overlay of / whose upper
layer is a tmpfs: whatever it or a test writes is deleted with it, and never reaches the disk. It has an ordinary
user with a user manager, since a service of root has another sandbox. Nothing outside is
changed: /proc/sys and /sys are read-only, /dev has a few harmless nodes, and the units that would set up hardware
are masked.

It needs root, unshare, overlayfs and systemd; `why_not` returns what is missing, for pytest.mark.skipif.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phsearch.installer.install import is_temporary_path
from support.harness import wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[3]
SYSTEMD = Path("/usr/lib/systemd/systemd")
UID = 61234
HOME = Path("/home/owner")
RUNTIME = Path(f"/run/user/{UID}")

_UP = ("running", "degraded")
_BINARIES = ("unshare", "nsenter", "setpriv", "mount", "systemctl", "dbus-daemon")
_NODES = ("null", "zero", "full", "random", "urandom", "tty", "fuse")
# Units that set clocks, kernel parameters, modules or hardware of the machine that runs the tests.
_MASKED = """
systemd-sysctl.service systemd-modules-load.service systemd-udevd.service systemd-udev-trigger.service
systemd-binfmt.service systemd-random-seed.service systemd-timesyncd.service systemd-networkd.service
systemd-resolved.service systemd-remount-fs.service kmod-static-nodes.service sys-kernel-debug.mount
sys-kernel-tracing.mount sys-fs-fuse-connections.mount sys-kernel-config.mount dev-hugepages.mount
dev-mqueue.mount proc-sys-fs-binfmt_misc.automount timers.target
"""
_TARGET = """[Unit]
Requires=basic.target
Wants=dbus.service systemd-logind.service user@{uid}.service
After=basic.target
"""
# Otherwise logind is asked for a user's runtime directory before it runs.
_ORDER = "[Unit]\nAfter=dbus.service systemd-logind.service\nWants=dbus.service systemd-logind.service\n"

# In two steps: the top of a control group namespace is the group in which it is made.
_APART = (
    'echo $$ >"$0/cgroup.procs" && exec unshare --mount --pid --fork --kill-child --uts --ipc --cgroup bash -c "$@"'
)
_BOOT = r"""
set -e
base=$0 systemd=$1 uid=$2 nodes=$3
shift 3
mount --make-rprivate /
mkdir "$base/disk"
mount -t tmpfs -o mode=755 tmpfs "$base/disk"
cd "$base/disk"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
cd root
mount -t proc proc proc
mount --bind -o ro proc/sys proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for node in $nodes; do
    touch "dev/$node"
    [ ! -e "/dev/$node" ] || mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
: >etc/fstab
echo "owner:x:$uid:$uid::/home/owner:/bin/bash" >>etc/passwd
echo "owner:x:$uid:" >>etc/group
echo 'owner:*:19000:0:99999:7:::' >>etc/shadow
mkdir -p home/owner
chown "$uid:$uid" home/owner
for place; do
    # Another file system is not part of an overlay of /.
    if [ -z "$(ls -A ".$place" 2>/dev/null)" ]; then
        mkdir -p ".$place"
        mount --bind -o ro "$place" ".$place"
    fi
    # The owner must reach it, also below a folder that only root may open.
    while place=$(dirname "$place") && [ "$place" != / ]; do chmod o+x ".$place"; done
done
cp -r "$base/etc/." etc/
# Not with chroot: there the kernel allows no user namespace, and so no sandbox of a user's service.
mkdir -p mnt
pivot_root . mnt
cd /
umount --lazy mnt
# As in a real boot. Without it no later mount would reach a service with its own namespace.
mount --make-rshared /
export container=phsearch-test
exec "$systemd" --system --unit=phsearch-test.target --log-target=journal
"""


def _groups() -> Path:
    """Return the control group (of version 2) of this process."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            own = next(row[3:] for row in Path("/proc/self/cgroup").read_text().splitlines() if row.startswith("0::"))
            return Path(fields.split()[4]) / own.lstrip("/")
    raise FileNotFoundError("no control groups of version 2 are mounted")


def _removed(group: str) -> bool:
    with contextlib.suppress(OSError):
        os.rmdir(group)
    return not os.path.exists(group)


@cache
def why_not() -> str:
    """Return why no systemd can be booted here, or "" if it can."""
    if os.geteuid() != 0:
        return "booting systemd in namespaces needs root"
    if not SYSTEMD.exists():
        return f"there is no systemd here ({SYSTEMD})"
    if missing := [name for name in _BINARIES if shutil.which(name) is None]:
        return f"needs {', '.join(missing)}"
    if hidden := [each for each in (PROJECT, Path(sys.executable)) if is_temporary_path(each)]:
        return f"a service has a /tmp of its own and would not see {hidden[0]}"
    try:
        trial = _groups() / f"phsearch-trial-{os.getpid()}"
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        return f"no control group can be made: {error}"
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        script = (
            'mount -t tmpfs t "$0" && cd "$0" && mkdir u w m && mount -t overlay o -o lowerdir=/,upperdir=u,workdir=w m'
        )
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--cgroup", "sh", "-c", script, folder],
            capture_output=True,
            text=True,
            check=False,
        )
    return f"no overlay of / can be mounted in a namespace: {done.stderr.strip()}" if done.returncode else ""


@contextlib.contextmanager
def systemd_machine() -> Iterator[Machine]:
    """Boot a machine, and remove it at the end."""
    machine = Machine()
    try:
        machine.boot()
        yield machine
    finally:
        machine.close()


class Machine:
    """A booted machine; commands run as its user, or as root."""

    def __init__(self) -> None:
        self._base = Path(tempfile.mkdtemp(prefix="phsearch-boot-", dir="/var/tmp"))
        self._group = _groups() / self._base.name
        self._group.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self.env = {
            "HOME": str(HOME),
            "USER": "owner",
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "XDG_RUNTIME_DIR": str(RUNTIME),
            "LANG": "C.UTF-8",
        }

    def boot(self) -> None:
        """Start systemd and wait until the user's manager runs."""
        units = self._base / "etc" / "systemd" / "system"
        units.mkdir(parents=True)
        (units / "phsearch-test.target").write_text(_TARGET.format(uid=UID))
        order = units / "user-runtime-dir@.service.d" / "order.conf"
        order.parent.mkdir()
        order.write_text(_ORDER)
        for name in _MASKED.split():
            (units / name).symlink_to("/dev/null")
        arguments = (str(self._base), str(SYSTEMD), str(UID), " ".join(_NODES), str(PROJECT), sys.base_prefix)
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "bash", "-c", _APART, str(self._group), _BOOT, *arguments],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self._pid = int(wait_until(lambda: children.read_text().split(), "the namespaces")[0])
        wait_until(self._up, "systemd has booted", 60)
        wait_until(
            lambda: self.systemctl("is-system-running", check=False).stdout.strip() in _UP, "the manager runs", 60
        )

    def close(self) -> None:
        """Kill every process of the machine; its files are deleted with it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, 9) if self._pid else self._process.kill()
            self._process.wait(scaled(30))
            assert self._process.stderr is not None
            self._process.stderr.close()
        for group, _, _ in os.walk(self._group, topdown=False):
            wait_until(partial(_removed, group), f"the control group {group} is empty")
        shutil.rmtree(self._base)

    def run(
        self,
        *command: str | Path,
        root: bool = False,
        check: bool = True,
        env: dict[str, str] | None = None,
        seconds: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = subprocess.run(
            [*self._enter(root=root), *map(str, command)],
            env=self._env(root=root) | (env or {}),
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=scaled(seconds),
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def start(self, *command: str | Path, root: bool = False) -> subprocess.Popen[str]:
        """Start a command; communicate() closes its input."""
        return subprocess.Popen(
            [*self._enter(root=root), *map(str, command)],
            env=self._env(root=root),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def shell(self, script: str, *, root: bool = False, check: bool = True) -> str:
        """Run a script; return its output."""
        return self.run("bash", "-c", script, root=root, check=check).stdout

    def put(self, path: Path, content: str | bytes) -> None:
        """Write a file as the user."""
        data = content.encode() if isinstance(content, str) else content
        script = f"mkdir -p {shlex.quote(str(path.parent))} && cat >{shlex.quote(str(path))}"
        subprocess.run(
            [*self._enter(root=False), "bash", "-c", script], env=self._env(root=False), input=data, check=True
        )

    def read(self, path: str | Path) -> str:
        """Return a file's text."""
        return self.run("cat", path).stdout

    def exists(self, path: Path) -> bool:
        """Whether the user sees this file."""
        return self.run("test", "-e", path, check=False).returncode == 0

    def systemctl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run systemctl for the user's manager."""
        return self.run("systemctl", "--user", *words, check=check)

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Return properties of a unit."""
        said = self.systemctl("show", unit, *(f"--property={name}" for name in properties)).stdout
        return dict(line.split("=", 1) for line in said.splitlines())

    def journal(self, unit: str = "phsearch.service", field: str = "_SYSTEMD_USER_UNIT") -> list[dict[str, Any]]:
        """Return the journal of a user's unit; with the field "USER_UNIT" what its manager logged about it."""
        said = self.run("journalctl", "--output=json", "--all", f"{field}={unit}", root=True).stdout
        return [json.loads(line) for line in said.splitlines()]

    def _up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            assert self._process.stderr is not None
            raise AssertionError(f"systemd did not boot: {self._process.stderr.read().decode(errors='replace')}")
        done = self.run("systemctl", "is-active", f"user@{UID}.service", root=True, check=False)
        return done.stdout.strip() == "active"

    def _enter(self, *, root: bool) -> tuple[str, ...]:
        space = ("nsenter", f"--target={self._pid}", "--mount", "--pid", "--uts", "--ipc", "--cgroup")
        if root:
            return space
        return (*space, "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups")

    def _env(self, *, root: bool) -> dict[str, str]:
        return {"PATH": self.env["PATH"], "HOME": "/root"} if root else self.env
