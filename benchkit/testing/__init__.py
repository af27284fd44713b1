"""What a plug-in's author runs: does it keep the promises of its seam?

Each check returns a `Report` and raises a `BrokenPromise` (an AssertionError) that names the first fact that
does not hold, in the words of the seam. It needs no test framework.
"""

from benchkit.testing.codec import check_codec
from benchkit.testing.report import BrokenPromise, Report
from benchkit.testing.stage import check_stage
from benchkit.testing.transport import check_transport

__all__ = ["BrokenPromise", "Report", "check_codec", "check_stage", "check_transport"]
