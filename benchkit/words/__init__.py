"""The words of reports: templates that are English, said in the language that is spoken at the moment.

A sentence is said as `say("{cell} takes p50 {p50}", cell=..., p50=...)`: the template is what a catalogue translates,
the fields are figures, names, and sentences that were said before. English needs no catalogue. The others are gettext
files, `locale/<language>/LC_MESSAGES/benchkit.po`, that translators edit with the tools of their trade; nothing is
compiled, and the file is read when its language is first spoken.

What is spoken is a context variable: `with speaking("ko"): ...` holds for what is said inside, in this thread alone.
Everything that is composed when a report is written goes through here; what was written when a run was measured
(a warning about the machine, a gap of a profile) stands in the records in English and is told again where its
template is known (`retold`); the words of exceptions are shown as they were said.
"""

from __future__ import annotations

from benchkit.words.catalogue import ENGLISH, catalogue, languages
from benchkit.words.names import brief, named
from benchkit.words.recorded import retold
from benchkit.words.speech import say, speaking, spoken, word

__all__ = [
    "ENGLISH",
    "brief",
    "catalogue",
    "languages",
    "named",
    "retold",
    "say",
    "speaking",
    "spoken",
    "word",
]
