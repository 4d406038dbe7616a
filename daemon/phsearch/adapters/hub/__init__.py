"""The hub that models are downloaded from. Only the download worker imports this package, and so the network."""

from phsearch.adapters.hub.fetch import Patience, fetch_file, is_offline
from phsearch.adapters.hub.refusal import explain

__all__ = ["Patience", "explain", "fetch_file", "is_offline"]
