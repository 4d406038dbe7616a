"""Is the index right? Compares what is on disk, what is in memory and what the files show; changes nothing.

Three questions: does every row of the store say what the library and the resident matrix say; is every file the one
that was indexed; and, of a random sample, does it still have the same bytes and does the model still give it the vector
that it has.

The library goes on living meanwhile. A photo that changes while it is looked at proves nothing, so a difference counts
only if the library's record of the photo is the same object before and after, and is still there at a second look.
"""

from phsearch.service.verify.file_check import FileCheck
from phsearch.service.verify.row_check import RowCheck
from phsearch.service.verify.sample_check import SampleCheck
from phsearch.service.verify.verifier import Verifier

__all__ = ["FileCheck", "RowCheck", "SampleCheck", "Verifier"]
