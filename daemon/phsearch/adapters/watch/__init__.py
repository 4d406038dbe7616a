"""Watching roots with inotify, through watchdog's reader.

inotify watches single folders, by inode, and says "in watch 17, a name appeared". Everything hard is in keeping the
answer to "what is watch 17 called?" true while folders come, go and move under our hands, and in saying so when the
truth was lost. watchdog 7.1 has that in its `InotifyWatchGroup`, one per root and with a thread each, and it cannot be
taught what we need: leaving out ignored folders, naming the folders it could not watch, telling an overflow, noticing a
move between two roots. So this package takes watchdog one layer lower, at `InotifyFD` (the file descriptor, its parser
and its one thread for all roots) and its `WatchCallback` protocol, both public names of `watchdog.observers.inotify_c`,
and keeps the names itself:

* `folder` is one node for one folder, `tree` all of them with their watches; `survey` there is the one repair.
* `reader` is watchdog's thread and what we ask of inotify; `limits` says what to do when inotify refuses.
* `translate` turns raw events into the words of the domain, `tops` knows what is said of a root as a whole.
* `probe` asks whether a root answers, at nobody else's cost when it hangs.
* `watcher` puts them together behind the port, and has the keeper: a thread for what is due without an event.
* `apart` gives each root on a network or FUSE file system a watcher of its own.

One lock guards all of it, the watcher's. `translate` and `tops` are called by who holds it. Whoever holds it touches
only file systems that answered a moment ago and are local.
"""

from phsearch.adapters.watch.inotify_reader import Inotify
from phsearch.adapters.watch.isolation import IsolatingWatcher
from phsearch.adapters.watch.watcher import FolderWatcher

__all__ = ["FolderWatcher", "Inotify", "IsolatingWatcher"]
