"""Sentences that stand in the records: said in English when a run was measured, told again when it is reported.

Whoever measures composes them (`records.environment`, `engine.whatif`, `engine.profiling`); their templates are noted
here, and a sentence that fits one is said in the language that is spoken. What fits none stays as it was said: the
words of an exception, of a server, of somebody's plug-in.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter
from typing import Final

from benchkit.words.speech import say, translates, word

TEMPLATES: Final = (
    # What would spoil a measurement.
    word("{cores} core(s): producer, broker and stage share them; use a machine with at least 4 cores"),
    word("the container may use {share} of {cores} cores and is halted beyond; raise its CPU limit"),
    word("the CPU's frequency varies (governor {governor}); use the governor performance"),
    word("other programs run (load average {load} on {cores} cores); stop them, measure again"),
    word("the hypervisor took {share} of this machine's CPU time since boot; use a machine of its own"),
    word("{path} holds only {total} MiB; give the container more (docker run --shm-size=1g)"),
    # What could not be tried.
    word("no time for it; what_if.longest can give more, --only fewer cells"),
    word("too few messages arrived when it was saturated"),
    word("{change}: there are fewer cores than parties; what_if.workers asks for it all the same"),
    # What could not be profiled.
    word("a search has no load of its own to profile: measure the rate that it found, with --profile"),
    word("the stage is a server of somebody else's: no process of ours to profile"),
    word("pyinstrument is not installed: pip install pyinstrument"),
    word("another profiler is active in the thread (sys.setprofile)"),
    word("the profiler was replaced while the block lasted (sys.setprofile)"),
    word("the profiler saw nothing: the block was too short"),
    word("the block ended before it began"),
    word("this version of pyinstrument takes no clock"),
    word("the profiler could not attach: {told}"),
    word("the profiler could not be ended: {told}"),
    word("its pages could not be made: {told}"),
    word("the stage's own profiler could not begin: {told}"),
    word("the stage's own profiler failed: {told}"),
    word("a profiled block could not be measured: {what}"),
    # What ended a block.
    word("the broker died and was replaced by a new one"),
    word("see what ended it: the system's log, a limit on memory, another user"),
    # What alerts say.
    word("{who} has not been heard of for {silent}"),
    word("{who} is gone"),
    word("{who} is heard of"),
    word("{who} is up"),
    word("{count} wait in {name} and none was handled for {still}"),
    word("{name} moves again"),
    word("nothing waits"),
    word("{count} wait, {slope} more each second over {window}"),
    word("{count} wait, and it does not grow"),
    word("{name} burns its error budget {rate} times as fast as it may, over {long} and {short}"),
    word("{name} is kept again"),
    word("none lost for {window}; {count} lost in all"),
    word("{count} messages lost"),
    word("1 message lost"),
    word("benchkit_{metric} is {value}, above {limit}"),
    word("benchkit_{metric} is {value}, below {limit}"),
    word("benchkit_{metric} is {value}"),
    word("the newest frame that was worked on is {age} old"),
    word("it is observed no more"),
)
_LONGEST: Final = 2000


def retold(recorded: str) -> str:
    """The sentence in the language that is spoken, where its template is noted; otherwise as it is."""
    if not translates() or len(recorded) > _LONGEST:
        return recorded
    for template, pattern in _patterns():
        if match := pattern.fullmatch(recorded):
            return say(template, **match.groupdict())
    return recorded


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((template, _pattern(template)) for template in TEMPLATES)


def _pattern(template: str) -> re.Pattern[str]:
    parts = (
        re.escape(text) + (f"(?P<{name}>.+?)" if name else "")
        for text, name, _, _ in Formatter().parse(template)
    )
    return re.compile("".join(parts), re.DOTALL)
