"""What serves the methods of the protocol: one class a group, whose `handlers` are the methods by name."""

from phsearch.service.rpc.methods.albums import AlbumMethods
from phsearch.service.rpc.methods.daemon import ConfigMethods, DaemonMethods
from phsearch.service.rpc.methods.doctor import DoctorMethods, SystemProbes
from phsearch.service.rpc.methods.library import DuplicateMethods, LibraryMethods, ThumbnailMethods
from phsearch.service.rpc.methods.metrics import MetricsMethods
from phsearch.service.rpc.methods.model import ModelMethods
from phsearch.service.rpc.methods.search import SearchMethods

__all__ = [
    "AlbumMethods",
    "ConfigMethods",
    "DaemonMethods",
    "DoctorMethods",
    "DuplicateMethods",
    "LibraryMethods",
    "MetricsMethods",
    "ModelMethods",
    "SearchMethods",
    "SystemProbes",
    "ThumbnailMethods",
]
