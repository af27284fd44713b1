"""What a fault did: which messages it cost, when the service was back, what each guarantee really delivered.

`accounted` and `judged` say what became of every message and whether that is what the transport declares;
`recovered` says when the fault was noticed and when all was as before; `matrix` puts trials together, fault by
transport; `as_document` is `faults` of run.json. A trial and its operations are all that any of them needs.
"""

from __future__ import annotations

from benchkit.analysis.recovery.account import Accounted, accounted
from benchkit.analysis.recovery.band import Band, band_of
from benchkit.analysis.recovery.declared import Judged, judged
from benchkit.analysis.recovery.document import as_document
from benchkit.analysis.recovery.matrix import matrix
from benchkit.analysis.recovery.recover import Recovery, recovered
from benchkit.analysis.recovery.series import Series, series

__all__ = [
    "Accounted",
    "Band",
    "Judged",
    "Recovery",
    "Series",
    "accounted",
    "as_document",
    "band_of",
    "judged",
    "matrix",
    "recovered",
    "series",
]
