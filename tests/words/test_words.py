"""Languages: a template is found and filled in, every template has its translation, and names stay names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from string import Formatter

import polib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import LOCALE, PACKAGE, of_jinja, of_python, said

from benchkit.errors import UsageError
from benchkit.words import brief, languages, named, retold, say, speaking, spoken
from benchkit.words.recorded import TEMPLATES

OTHERS = [language for language in languages() if language != "en"]
HANGUL = re.compile("[가-힣]")
PARTICLE = re.compile(r"\{(\w+)[^{}]*\}(은|는|이|가|을|를|과|와|로|으로|이라|라)(?![가-힣])")
SPOKEN_ALIKE = {"share", "late_share", "rare", "p50_us", "high"}
"""Fields that always end in % (퍼센트) or in a unit of time (초): one form of the particle fits them all."""


def entries(language: str) -> polib.POFile:
    return polib.pofile(str(LOCALE / language / "LC_MESSAGES" / "benchkit.po"))


def fields(template: str) -> list[tuple[str, str, str]]:
    """Names, formats and conversions; the same ones may stand in another order."""
    return sorted(
        (name, format_ or "", conversion or "")
        for _, name, format_, conversion in Formatter().parse(template)
        if name is not None
    )


def test_english_needs_no_catalogue_and_korean_is_known() -> None:
    assert languages()[0] == "en"
    assert "ko" in languages()
    assert say("{count} blocks", count=3) == "3 blocks"
    with speaking("ko"):
        assert (spoken(), say("{count} blocks", count=3)) == ("ko", "블록 3개")
        with speaking("en"):
            assert say("{count} blocks", count=3) == "3 blocks"
        assert say("nobody translated {this}", this="that") == "nobody translated that"
    assert spoken() == "en"


def test_a_language_that_nobody_wrote_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="no report can be written in 'xx'") as caught, speaking("xx"):
        pass
    assert caught.value.remedy == f"use one of: {', '.join(languages())}"


def test_the_scan_sees_what_is_said() -> None:
    source = 'say("one {a}", a=1)\nword("two" if x else "three")\nsay(variable)\nother("four")'
    assert list(of_python(source)) == ["one {a}", "two", "three"]
    assert list(of_jinja('<p title="{{ say("five") }}">{% if a %}{{ say("six {b}", b=1) }}{% endif %}')) == [
        "five", "six {b}",
    ]  # fmt: skip
    assert len(said()) > 700


@pytest.mark.parametrize("language", OTHERS)
def test_the_catalogue_has_every_template_and_no_other(language: str) -> None:
    catalogue = entries(language)
    known = {each.msgid: each for each in catalogue if not each.obsolete}
    wanted = said()
    assert wanted.keys() - known.keys() == set()
    assert known.keys() - wanted.keys() == set()
    assert len(known) == len([each for each in catalogue if not each.obsolete])
    assert [each.msgid for each in known.values() if not each.msgstr or each.fuzzy] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_fields_and_the_edges_of_its_template(language: str) -> None:
    for each in entries(language):
        assert fields(each.msgid) == fields(each.msgstr), each.msgid
        assert each.msgid.startswith("{title}: ") <= each.msgstr.startswith("{title}: "), each.msgid
        assert each.msgid.startswith("\n") == each.msgstr.startswith("\n"), each.msgid


def test_korean_is_korean_and_no_particle_hangs_on_a_field() -> None:
    same = set()
    for each in entries("ko"):
        words = re.sub(r"\{[^{}]*\}", "", each.msgstr)
        if not HANGUL.search(words):
            same.add(each.msgid)
        assert {field for field, _ in PARTICLE.findall(each.msgstr)} <= SPOKEN_ALIKE, each.msgstr
    assert same <= NO_WORDS


NO_WORDS = {
    "{who} from {first} to {last}", "at {rate}", "at {size}", "{some} and {last}", "{cell} ({codes})", "cpu",
    "{size} at {rate}", "{low} to {high}", "{low:.2f} to {high:.2f}", "n={least} to {most}", " for {duration_ns}",
    "in {which} {text}", "{name} at {saturates_per_s}", "{share:.0%} in {frame}", "{share:.0%} in {where}",
    " of {label}", "{what} of {duration_ns} in {party}{within}: {detail}", "{sized}: {low} to {high}",
    "{kind} in {party}{lasted}: {what}", "{text}; next {next}", "loss <= {limit:.2%}",
}  # fmt: skip
"""Templates whose Korean is figures and signs alone."""


def test_a_wheel_holds_every_catalogue(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=PACKAGE.parent, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    assert [each for each in inside if each.endswith(".po")] == [
        path.relative_to(PACKAGE.parent).as_posix() for path in sorted(LOCALE.rglob("*.po"))
    ]


def test_names_are_called_and_what_is_no_name_stays() -> None:
    assert named("queue") == "queue"
    with speaking("ko"):
        assert named("queue") == "대기(queue)"
        assert brief("queue") == "대기"
        assert named("{queue}") == "{queue}"
        assert named("redis-list") == "redis-list"


@given(st.text())
def test_whatever_somebody_calls_a_thing_is_no_template(words: str) -> None:
    with speaking("ko"):
        assert say("{cell} ({codes})", cell=words, codes="") == f"{words} ()"
        assert named("{" + words) == "{" + words


def literal_parts() -> set[str]:
    """What the measuring side composes: its texts with every field as {}."""
    found = set()
    for room in ("engine", "records", "alerts"):
        for path in (PACKAGE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    found.add(
                        "".join(
                            each.value if isinstance(each, ast.Constant) else "{}" for each in node.values
                        )
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return found


def test_what_the_records_say_is_what_is_retold() -> None:
    composed = literal_parts()
    assert [each for each in TEMPLATES if re.sub(r"\{\w+\}", "{}", each) not in composed] == []


def test_a_recorded_sentence_is_retold_with_its_figures() -> None:
    quota = "the container may use 1.5 of 4 cores and is halted beyond; raise its CPU limit"
    assert retold(quota) == quota
    with speaking("ko"):
        assert (
            retold(quota)
            == "컨테이너는 코어 4개 중 1.5개만 쓸 수 있고 넘으면 멈춥니다. CPU 제한을 늘리십시오"
        )
        assert retold("an exception's own words {x}") == "an exception's own words {x}"
