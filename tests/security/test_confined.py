"""Files of others: no link is followed, no pipe waited for, no picture decoded that is larger than it may be."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchkit.cli import cli
from benchkit.cli.console import printable
from benchkit.engine.describing import plugins_of
from benchkit.errors import BenchkitError, RecordError, UsageError
from benchkit.records import baseline, folder, opening, writing
from benchkit.records.names import PARTIAL
from benchkit.records.recording import Recording
from benchkit.records.unfinished import unfinished
from benchkit.report.write import _is_within
from benchkit.scenario import load
from benchkit.sources.images import Images
from benchkit.sources.video import Video

MADE = """
name: made
source: {kind: sensors, samples: 4, channels: 1}
codec: [raw, npy]
transport: unix
stage: 'null'
load: {arrival: constant, rate: 5/s}
"""


def readers(place: Path) -> dict[str, Callable[[], object]]:
    """What reads a file called `x` in the folder `place`."""
    return {
        "run.json": lambda: folder.read_document(place),
        "record.json": lambda: folder.load(place),
        "base.json": lambda: baseline.read(place / "base.json"),
        "frame.png": lambda: next(iter(Images(path=place).items(0))),
        "v.mp4": lambda: next(iter(Video(path=place / "v.mp4").items(0))),
        "s.yaml": lambda: load(place / "s.yaml"),
    }


@pytest.mark.parametrize("name", readers(Path()))
@pytest.mark.timeout(20)
def test_a_pipe_or_a_device_is_not_waited_for(name: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": "benchkit.run/1"}')
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(BenchkitError):
        readers(tmp_path)[name]()
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(BenchkitError):
        readers(tmp_path)[name]()


def test_what_is_opened_is_a_file_itself_and_no_longer_than_it_may_be(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"12345")
    link.symlink_to(real)
    assert opening.content(real, 5) == b"12345"
    for wrong in (lambda: opening.content(real, 4), lambda: opening.content(link, 5), lambda: opening.made(link),
                  lambda: opening.changed(link), lambda: opening.made(real, fresh=True)):  # fmt: skip
        with pytest.raises(OSError, match=r"\w"):
            wrong()
    assert real.read_bytes() == b"12345"


def test_what_is_written_replaces_links_and_follows_none(tmp_path: Path) -> None:
    """Also the temporary name: whoever planted it there is refused."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "run.json").symlink_to(victim)
    writing.write_json(tmp_path / "run.json", {"a": 1})
    assert (victim.read_text(), json.loads((tmp_path / "run.json").read_text())) == ("mine", {"a": 1})
    (tmp_path / ".run.json.new").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        writing.write_json(tmp_path / "run.json", {"a": 2})
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(
    "where", ["samples", "samples/x.npy", "blocks.jsonl", "profiles", ".record.json.new"]
)
def test_a_run_is_not_taken_up_in_a_folder_with_links(where: str, tmp_path: Path) -> None:
    """A partial folder of somebody else's would make benchkit write wherever its links lead."""
    outside = tmp_path / "outside"
    outside.mkdir()
    partial = tmp_path / f".x{PARTIAL}"
    (partial / Path(where).parent).mkdir(parents=True, exist_ok=True)
    (partial / "record.json").write_text("{}")
    (partial / where).symlink_to(outside)
    with pytest.raises(RecordError, match="a link"):
        Recording.resume(partial)
    assert list(outside.iterdir()) == []


def test_a_link_to_an_unfinished_run_is_not_the_last_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "record.json").write_text("{}")
    (tmp_path / f".linked{PARTIAL}").symlink_to(tmp_path / "real")
    assert unfinished(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "within"),
    [("profiles/a.html", True), ("a", True), ("../a", False), ("/etc/passwd", False), ("a/../../b", False),
     ("a\nb", False), ("profiles/\x1b[2J", False)],
)  # fmt: skip
def test_a_page_links_to_nothing_above_it(file: str, *, within: bool) -> None:
    assert _is_within(file) == within


def _picture(kind: str, size: tuple[int, int]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("L", size).save(file, kind)
    return file.getvalue()


def test_a_picture_is_what_its_suffix_may_be(tmp_path: Path) -> None:
    """An EPS file called frame.png is handed to Ghostscript by Pillow, unless formats are named."""
    (tmp_path / "frame.png").write_bytes(_picture("EPS", (8, 8)))
    with pytest.raises(UsageError, match="cannot be read as an image"):
        next(iter(Images(path=tmp_path).items(0)))
    (tmp_path / "frame.png").write_bytes(_picture("PNG", (8, 8)))
    assert next(iter(Images(path=tmp_path).items(0))).arrays["frame"].shape == (8, 8, 3)


def test_a_video_opens_no_other_file(tmp_path: Path) -> None:
    """What FFmpeg takes for a playlist by its content opens what it names."""
    import av

    with av.open(str(tmp_path / "own.avi"), "w") as made:
        stream = made.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        made.mux([*stream.encode(frame), *stream.encode()])
    assert next(iter(Video(path=tmp_path / "own.avi").items(0))).arrays["frame"].shape == (48, 64, 3)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile 'own.avi'\n")
    with av.open(f"file:{tmp_path / 'list.mp4'}") as followed:
        assert len(list(followed.decode(followed.streams.video[0]))) == 1
    with pytest.raises(UsageError, match="cannot be read"):
        next(iter(Video(path=tmp_path / "list.mp4").items(0)))


def test_whose_code_ran_is_on_record(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(MADE)
    used = plugins_of(load(tmp_path / "s.yaml").cells)
    assert [(each.seam, each.kind) for each in used] == [
        ("arrival", "constant"), ("codec", "npy"), ("codec", "raw"), ("source", "sensors"), ("stage", "null"),
        ("transport", "unix"),
    ]  # fmt: skip
    assert {each.distribution for each in used} == {"benchkit"}
    assert all(each.version for each in used)
    assert used[-1].target == "benchkit.transports.unix:Unix"


def test_whose_code_injected_faults_is_on_record_too(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        MADE
        + "faults: {run: true, inject: [{kind: combined, faults: [{kind: kill, party: stage}, {kind: poison}]}]}\n"
    )
    plan = load(tmp_path / "s.yaml")
    assert plan.faulting is not None
    used = plugins_of(plan.cells, plan.faulting.faults)
    assert [each.kind for each in used if each.seam == "fault"] == ["combined", "kill", "poison"]


@pytest.mark.parametrize("letter", ["\x1b[2J", "\x07", "\x9b31m", "\u202e", "\r", "\x00"])
def test_an_error_moves_no_cursor(letter: str) -> None:
    told = printable(f"a{letter}b\nc")
    assert told.startswith("a?")
    assert told.endswith("b\nc")
    assert all(each.isprintable() or each == "\n" for each in told)


def test_the_name_of_a_file_cannot_style_the_terminal(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["report", str(tmp_path / "\x1b[31mred")])
    assert isinstance(done.exception, BenchkitError)
    assert "\x1b" not in printable(str(done.exception))


def test_rows_are_read_as_what_they_must_be_and_nothing_else(tmp_path: Path) -> None:
    dtype, file = np.dtype([("a", "<i8"), ("b", "u1")]), tmp_path / "rows.npy"
    rows = np.zeros(3, dtype)
    rows["a"] = range(3)
    np.save(file, rows)
    assert np.array_equal(opening.rows(file, dtype), rows)
    whole = file.read_bytes()
    longer = whole.replace(b"(3,)", b"(9,)")
    huge = whole.replace(b"(3,), }            ", b"(3000000000000,), }")
    assert huge != whole
    for wrong in (longer, huge, whole[:-1], whole + b"x", whole[:20], b"", b"PK\x03\x04" + whole):
        file.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"\w"):
            opening.rows(file, dtype)
    np.savez(tmp_path / "archive.npz", rows)
    with pytest.raises(ValueError, match="magic"):
        opening.rows(tmp_path / "archive.npz", dtype)
    np.save(file, np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="columns"):
        opening.rows(file, dtype)
