"""Watches roots with inotify, through watchdog's reader.

inotify watches single folders, by inode, and reports "in watch 17, a name appeared". The difficulty is to keep the path
of watch 17 correct while folders are created, moved and deleted, and to report when it may no longer be correct.
watchdog 7.1 does this in its `InotifyWatchGroup`, one per root and each with a thread. That class cannot leave out
ignored folders, name the folders it could not watch, report an overflow, or recognise a move between two roots. So this
package uses watchdog one layer lower, at `InotifyFD` (the file descriptor, its parser and its one thread for all roots)
and its `WatchCallback` protocol, both public names of `watchdog.observers.inotify_c`, and keeps the names itself:

* `folder` is a node for one folder. `tree` has all nodes and their watches, and its `sync_subtree` is the only repair.
* `inotify_reader` is watchdog's thread and what we ask of inotify. `inotify_errors` explains what inotify refuses.
* `event_translator` turns raw events into the domain's events. `watched_roots` reports on a root as a whole.
* `hang_probe` checks whether a root answers; if it hangs, no other root has to wait.
* `watcher` connects them and implements the port. Its maintenance thread does everything that no event triggers.
* `isolation` gives each root on a network or FUSE file system its own watcher.

The watcher's lock guards all of it. `event_translator` and `watched_roots` are called only with the lock held. The
thread that holds the lock accesses only file systems that are local and answered a moment ago.
"""

from phsearch.adapters.watch.inotify_reader import Inotify
from phsearch.adapters.watch.isolation import IsolatingWatcher
from phsearch.adapters.watch.watcher import FolderWatcher

__all__ = ["FolderWatcher", "Inotify", "IsolatingWatcher"]
