"""What lies in a folder of runs: each thing is a run, a report over several, or named with the reason."""

import json
from pathlib import Path

import pytest

from benchkit.errors import RecordError
from benchkit.records.shelf import Left, documents, is_run, shelf


def placed(folder: Path, name: str, **files: str) -> Path:
    home = folder / name
    home.mkdir()
    for file, text in files.items():
        (home / file.replace("_", ".")).write_text(text)
    return home


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    placed(tmp_path, "good", run_json=json.dumps({"schema": "benchkit.run/1"}))
    placed(tmp_path, "future", run_json=json.dumps({"schema": "benchkit.run/9"}))
    placed(tmp_path, "broken", run_json="{")
    placed(tmp_path, "half", record_json="{}")
    placed(tmp_path, "truth", a_md="words")
    placed(tmp_path, "compared-a-b", report_html="page")
    placed(tmp_path, ".dam.partial", record_json="{}")
    placed(tmp_path, ".git")
    (tmp_path / "notes.md").write_text("words")
    (tmp_path / "index.html").write_text("page")
    (tmp_path / "linked").symlink_to(tmp_path / "good")
    (tmp_path / "nowhere").symlink_to(tmp_path / "none")
    return tmp_path


def test_everything_in_the_folder_is_told_apart(folder: Path) -> None:
    found = shelf(folder)
    assert [path.name for path in found.runs] == ["broken", "future", "good"]
    assert [path.name for path in found.compared] == ["compared-a-b"]
    left = {each.name: each for each in found.left}
    assert set(left) == {"half", "truth", ".dam.partial", ".git", "notes.md", "linked", "nowhere"}
    assert {name for name, each in left.items() if each.broken} == {"half", ".dam.partial"}
    assert "link" in left["linked"].why
    assert "--resume .dam.partial" in left[".dam.partial"].remedy


def test_each_run_is_read_or_says_why_not(folder: Path) -> None:
    found = {path.name: each for path, each in documents(shelf(folder).runs)}
    assert found["good"] == {"schema": "benchkit.run/1"}
    for name, words in (("future", "newer benchkit"), ("broken", "not whole JSON")):
        left = found[name]
        assert isinstance(left, Left)
        assert words in left.why
        assert left.remedy
        assert left.broken


def test_a_run_json_that_leads_out_of_the_folder_or_has_no_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text(json.dumps({"schema": "benchkit.run/1"}))
    home = placed(tmp_path, "thief")
    (home / "run.json").symlink_to(tmp_path / "secret.json")
    large = placed(tmp_path, "large") / "run.json"
    with large.open("wb") as opened:
        opened.truncate(1 << 30)
    for _, each in documents(shelf(tmp_path).runs):
        assert isinstance(each, Left)
        assert "link" in each.why or "MiB" in each.why


def test_what_is_meant_as_one_run(folder: Path) -> None:
    for name in ("good", "broken", "half", ".dam.partial", "good/run.json", "none"):
        assert is_run(folder / name), name
    for name in ("truth", "notes.md", "compared-a-b"):
        assert not is_run(folder / name), name
    assert not is_run(folder)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be listed"):
        shelf(tmp_path / "none")
