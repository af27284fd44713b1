"""What --base means, and what is built of it: files, environments, the cache."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from project import SCENARIO, git

from benchkit import scenario
from benchkit.errors import BuildError, ScenarioError, UsageError
from benchkit.gate import bases, environments, trees
from benchkit.gate.sides import environment, same_build, sides

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "toy-of-a-test"
version = "{version}"
dependencies = ["numpy"]
[tool.hatch.build.targets.wheel]
packages = ["toy"]
"""


def origin(repository: Path, text: str) -> bases.Origin:
    return bases.resolve(text, bases.place(repository / "s.yaml", repository), repository)


def test_what_a_base_can_be(repository: Path, tmp_path: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "0.2.0")
    (tmp_path / "other").mkdir()
    wheel = tmp_path / "toy-1.0-py3-none-any.whl"
    wheel.touch()
    assert (origin(repository, "main").kind, origin(repository, "main").commit) == ("git", head)
    assert origin(repository, "HEAD~0").kind == "git"
    assert origin(repository, "0.2.0").kind == "git"  # a tag before a version
    assert origin(repository, "../other").kind == "directory"
    assert origin(repository, str(wheel)).kind == "wheel"
    assert origin(repository, "toy==1.2").requirement == "toy==1.2"
    (repository / "pyproject.toml").write_text(PROJECT.format(version="1"), "utf-8")
    assert origin(repository, "v0.9.1").requirement == "toy-of-a-test==0.9.1"


@pytest.mark.parametrize(
    "text", ["", "-x", "--upload-pack=x", "nosuch", "nosuch.whl", "1.0.0", "main;true", "x\0y"]
)
def test_what_it_cannot_be_is_wrong_use_with_a_remedy(repository: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        origin(repository, text)
    assert caught.value.remedy


def test_a_shallow_clone_is_told_to_fetch(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", "clone")
    git(repository, "commit", "-q", "--allow-empty", "-m", "second")
    with pytest.raises(UsageError) as caught:
        origin(tmp_path / "clone", "origin/other")
    assert "fetch-depth" in caught.value.remedy


def test_a_submodule_comes_with_either_side_as_it_was_there(repository: Path, tmp_path: Path) -> None:
    module = tmp_path / "module"
    module.mkdir()
    git(module, "init", "-q", "-b", "main")
    (module / "part.py").write_text("old", "utf-8")
    git(module, "add", "-A")
    git(module, "commit", "-q", "-m", "old")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(module), "libs/part")
    git(repository, "commit", "-q", "-m", "with a submodule")
    base = git(repository, "rev-parse", "HEAD")
    (repository / "libs/part/part.py").write_text("new", "utf-8")
    trees.checkout(repository, base, tmp_path / "base" / "tree")
    trees.copy(repository, trees.files(repository), tmp_path / "own")
    assert (tmp_path / "base/tree/libs/part/part.py").read_text("utf-8") == "old"
    assert (tmp_path / "own/libs/part/part.py").read_text("utf-8") == "new"
    elsewhere = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), "clone")
    trees.checkout(elsewhere, base, tmp_path / "without" / "tree")
    assert not list((tmp_path / "without/tree/libs/part").glob("*"))


def test_a_submodule_s_commit_that_is_not_here_is_told(repository: Path, tmp_path: Path) -> None:
    git(repository, "init", "-q", "-b", "main", "part")
    git(repository / "part", "commit", "-q", "--allow-empty", "-m", "x")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{'ab' * 20},part")
    git(repository, "commit", "-q", "-m", "of a commit that nobody has")
    with pytest.raises(UsageError, match="abababab") as caught:
        trees.checkout(repository, git(repository, "rev-parse", "HEAD"), tmp_path / "tree")
    assert "fetch" in caught.value.remedy


def test_somebody_else_s_package_of_our_name_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "project"
    (foreign / "benchkit").mkdir(parents=True)
    (foreign / "benchkit" / "__init__.py").touch()
    (foreign / "pyproject.toml").write_text(
        PROJECT.format(version="9").replace("toy-of-a-test", "benchkit").replace('["toy"]', '["benchkit"]'),
        "utf-8",
    )
    with pytest.raises(BuildError, match="another project"):
        environments.build(origin_of(foreign), bases.place(foreign / "s.yaml", foreign), "base")


def origin_of(folder: Path) -> bases.Origin:
    return bases.Origin("directory", folder.name, folder)


def test_a_commit_s_files_and_a_working_tree_s(repository: Path, tmp_path: Path) -> None:
    (repository / ".gitignore").write_text("ignored\n", "utf-8")
    (repository / "ignored").write_text("x", "utf-8")
    (repository / "new.py").write_text("x", "utf-8")
    before = git(repository, "status", "--porcelain", "--ignored")
    trees.checkout(repository, git(repository, "rev-parse", "HEAD"), tmp_path / "base" / "tree")
    found = trees.files(repository)
    trees.copy(repository, found, tmp_path / "own")
    assert [str(path) for path in trees.below(tmp_path / "base" / "tree")] == ["s.yaml", "stage.py"]
    assert [str(path) for path in trees.below(tmp_path / "own")] == [
        ".gitignore",
        "new.py",
        "s.yaml",
        "stage.py",
    ]
    assert git(repository, "status", "--porcelain", "--ignored") == before
    digest = trees.digest(repository, found)
    (repository / "new.py").write_text("y", "utf-8")
    assert trees.digest(repository, found) != digest


def test_each_side_has_its_own_files_and_the_candidate_s_scenario(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PYTHONPATH", f"{repository}/lib:/elsewhere")
    (repository / "stage.py").write_text("CHANGED = 1\n", "utf-8")
    (repository / "s.yaml").write_text(SCENARIO.replace("200ms", "160ms"), "utf-8")
    where = bases.place(Path("s.yaml"), Path.cwd())
    origins = origin(repository, "main"), bases.candidate(where)
    built = (
        environments.build(origins[0], where, "base"), environments.build(origins[1], where, "candidate"),
    )  # fmt: skip
    with sides(origins, built, where, Path("s.yaml"), "own") as (base, candidate):
        assert not same_build((base, candidate))
        plans = [scenario.load(side.scenario) for side in (base, candidate)]
        assert [plan.blocks.duration_s for plan in plans] == [0.16, 0.16]
        # Our own section is none of theirs: an older benchkit need not know it.
        assert "gate" not in base.scenario.read_text("utf-8")
        assert "CHANGED" not in (base.scenario.parent / "stage.py").read_text("utf-8")
        assert "CHANGED" in (candidate.scenario.parent / "stage.py").read_text("utf-8")
        assert base.env["PYTHONPATH"] == f"{built[0].tree}/lib:/elsewhere"
        assert base.cwd == built[0].tree
        assert base.own_scenario is not None
        written = base.scenario
    assert not written.exists()
    with sides(origins, built, where, Path("s.yaml"), "candidate") as (base, candidate):
        assert base.scenario.parent == candidate.scenario.parent


def test_a_mistake_stands_on_the_line_where_it_was_written(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    (repository / "s.yaml").write_text(
        "gate:\n  p50: 3%\n" + SCENARIO.replace("rounds: 1", "rounds: none"), "utf-8"
    )
    where = bases.place(Path("s.yaml"), Path.cwd())
    made = bases.candidate(where)
    built = environments.build(made, where, "candidate")
    with sides((made, made), (built, built), where, Path("s.yaml"), "own") as (base, _):
        with pytest.raises(ScenarioError, match=r"\.yaml:8:") as caught:
            scenario.load(base.scenario)
        assert "rounds" in str(caught.value)


def test_a_package_sees_nothing_of_the_candidate_s_folder(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{repository}:/elsewhere")
    where = bases.place(repository / "s.yaml", repository)
    assert environment(where, None)["PYTHONPATH"] == "/elsewhere"


def version(python: Path) -> str:
    code = "import toy, numpy, benchkit; print(toy.__version__)"
    return subprocess.run(
        [python, "-P", "-c", code], check=True, capture_output=True, text=True, cwd="/"
    ).stdout.strip()


def test_a_project_is_built_into_an_environment_of_its_own_once(repository: Path) -> None:
    (repository / "toy").mkdir()
    for number in ("1", "2"):
        (repository / "pyproject.toml").write_text(PROJECT.format(version=number), "utf-8")
        (repository / "toy" / "__init__.py").write_text(f"__version__ = {number!r}\n", "utf-8")
        git(repository, "add", "-A")
        git(repository, "commit", "-qm", number)
    where = bases.place(repository / "s.yaml", repository)
    base = environments.build(origin(repository, "HEAD~1"), where, "base")
    assert version(base.python) == "1"
    assert "over the present environment" in base.did
    again = environments.build(origin(repository, "HEAD~1"), where, "base")
    assert (again.python, again.did[-1]) == (base.python, "from the cache")


def test_a_wheel_is_installed(repository: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "toy_of_a_test-3-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as made:
        made.writestr("toy/__init__.py", "__version__ = '3'\n")
        made.writestr(
            "toy_of_a_test-3.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-of-a-test\nVersion: 3\n"
        )
        made.writestr(
            "toy_of_a_test-3.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        made.writestr("toy_of_a_test-3.dist-info/RECORD", "")
    built = environments.build(
        origin(repository, str(wheel)), bases.place(repository / "s.yaml", repository), "base"
    )
    assert version(built.python) == "3"
    assert built.tree is None


def test_a_base_that_does_not_build_says_what_pip_said(repository: Path) -> None:
    broken = PROJECT.format(version="1").replace("hatchling.build", "no_such_backend_at_all")
    broken = broken.replace('["hatchling"]', "[]")
    (repository / "pyproject.toml").write_text(broken, "utf-8")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "broken")
    with pytest.raises(BuildError, match="no_such_backend_at_all") as caught:
        environments.build(origin(repository, "HEAD"), bases.place(repository / "s.yaml", repository), "base")
    assert caught.value.exit_code == 4
    assert not list(Path(environments.cache()).glob("*/venv"))
