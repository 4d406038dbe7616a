"""Verifies the index: compares the store, the memory and the files with each other, and changes nothing.

There are three checks. Every row of the store agrees with the library and with the vectors in memory. Every file is the
one that was indexed. Each photo of a random sample still has its bytes, and the model still returns its vector.

Indexing goes on meanwhile. A photo that changes during the check proves nothing, so a difference counts only if the
library's record of the photo is the same object before and after, and if a second look finds it again.
"""

from phsearch.service.verify.file_check import FileCheck
from phsearch.service.verify.row_check import RowCheck
from phsearch.service.verify.sample_check import SampleCheck
from phsearch.service.verify.verifier import Verifier

__all__ = ["FileCheck", "RowCheck", "SampleCheck", "Verifier"]
