"""An environment for each side, kept under the user's cache by what it was made of.

It is a virtual environment with the side's own project in front and the present environment beneath: what both sides
depend on is then one and the same installation, nothing is downloaded, and only a dependency that the side asks for
in another version is installed beside it. A side without a project of its own (a folder with a scenario and a stage)
needs no installation: it runs in the present environment, on its own files.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from benchkit.errors import BuildError, StorageError
from benchkit.gate import trees
from benchkit.gate.bases import Origin, Place, installable
from benchkit.scenario.redact import redact

_KEPT: Final = 12
"""Environments in the cache; the longest unused one goes."""
_PIP_S: Final = 900.0
_READY: Final = "ready.json"
_LAYOUT: Final = 2
"""Of the cache's folders; another number, another key."""


@dataclass(frozen=True, slots=True)
class Built:
    """One side, ready to run."""

    python: Path
    tree: Path | None
    """Its files; None of a package."""
    did: tuple[str, ...]
    """What was done, for people."""
    content: str
    """Equal for equal files or packages."""


def build(origin: Origin, where: Place, told: str) -> Built:
    """Make it, or find it in the cache; raises BuildError with what pip said. `told` is the side's name."""
    paths = trees.files(origin.root) if origin.root is not None and origin.kind != "git" else []
    key = _key(origin, where, paths)
    folder = cache() / key
    with _locked(folder):
        made = _ready(folder)
        if made is None:
            shutil.rmtree(folder, ignore_errors=True)
            try:
                made = _make(origin, where, paths, folder, told)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            made["content"] = (
                trees.digest(folder / "tree", trees.below(folder / "tree")) if made["tree"] else key
            )
            (folder / _READY).write_text(json.dumps(made), "utf-8")
            _tidy(folder)
        else:
            made = {**made, "did": [*made["did"], "from the cache"]}
            os.utime(folder / _READY)
    tree = folder / "tree" if made["tree"] else None
    return Built(Path(made["python"]), tree, tuple(made["did"]), made["content"])


def _make(origin: Origin, where: Place, paths: Sequence[Path], folder: Path, told: str) -> dict[str, Any]:
    tree = folder / "tree"
    if origin.kind == "git" and origin.root is not None:
        trees.checkout(origin.root, origin.commit, tree)
    elif origin.root is not None:
        trees.copy(origin.root, paths, tree)
    wanted = origin.requirement
    if origin.root is not None:
        # A directory given as base is a project itself, or holds it where the candidate does.
        below = tree / where.project.relative_to(where.root)
        project = below if installable(below) else tree
        if not installable(project):
            return {"python": sys.executable, "tree": True, "did": ["its files, in the present environment"]}
        wanted = str(project)
    python = _environment(folder / "venv")
    did = _install(python, wanted, f"the {told}, {origin.told}")
    return {"python": str(python), "tree": origin.root is not None, "did": did}


def _environment(folder: Path) -> Path:
    """An empty virtual environment over the present one."""
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    beneath = [path for path in (*site.getsitepackages(), _user_site()) if path and Path(path).is_dir()]
    own = _site_packages(folder)
    # `addsitedir` reads the .pth files there too, so that what is installed as editable is seen as well.
    lines = [f"import site; site.addsitedir({path!r})\n" for path in beneath]
    (own / "benchkit_gate_beneath.pth").write_text("".join(lines), "utf-8")
    return python


def _user_site() -> str:
    return site.getusersitepackages() if site.ENABLE_USER_SITE else ""


def _site_packages(folder: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))


def _install(python: Path, wanted: str, told: str) -> list[str]:
    """The project alone, whatever is beneath; then what it depends on and is not there."""
    alone = ("--no-deps", "--ignore-installed", "--no-build-isolation", wanted)
    how = "installed without its dependencies' being touched"
    done = _pip(python, *alone)
    if done.returncode:
        again = _pip(python, "--no-deps", "--ignore-installed", wanted)
        if again.returncode:
            raise BuildError(
                f"{told} does not build:\n{_last_words(again)}",
                remedy="see that `pip install` of it works here, or choose another base",
            )
        how = "built in isolation, as the present environment lacks what it is built with"
    own = _site_packages(python.parent.parent)
    project = {dist.name: dist.version for dist in metadata.distributions(path=[str(own)])}
    done = _pip(python, *(f"{name}=={version}" for name, version in project.items()))
    if done.returncode:
        raise BuildError(
            f"{told} cannot have its dependencies:\n{_last_words(done)}",
            remedy="install them in the present environment first, or choose another base",
        )
    beside = sorted(
        f"{dist.name} {dist.version}"
        for dist in metadata.distributions(path=[str(own)])
        if dist.name not in project
    )
    _refuse_another_benchkit(own, told)
    names = ", ".join(f"{name} {version}" for name, version in project.items())
    shared = (
        f"with dependencies of its own: {', '.join(beside)}" if beside else "over the present environment"
    )
    return [f"{names} {how}", shared]


def _refuse_another_benchkit(own: Path, told: str) -> None:
    """A package index may have a project of somebody else's under this one's name."""
    for dist in metadata.distributions(path=[str(own)]):
        ours = any(entry.group == "benchkit.transports" for entry in dist.entry_points)
        if dist.name == "benchkit" and not ours:
            raise BuildError(
                f"{told} is another project of the name benchkit ({dist.version})",
                remedy="give a git ref, a wheel or a directory of this one",
            )


def _pip(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Without its repository's .git a version that is read from tags cannot be found out.
    env = {"SETUPTOOLS_SCM_PRETEND_VERSION": "0.0.0", **os.environ}
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        env.pop(name, None)
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-input"]
    quiet = ("--disable-pip-version-check", "--no-warn-script-location", "--no-color")
    try:
        return subprocess.run(
            [*command, *quiet, *arguments], capture_output=True, text=True, errors="replace", check=False,
            timeout=_PIP_S, env=env, cwd=python.parent.parent,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"pip could not be run: {error}", remedy="install pip beside benchkit") from error


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    """What pip says is wrong: its errors, else its last lines."""
    lines = [line.rstrip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or "No module named" in line]
    chosen = (telling or lines)[-12:]
    if any("No module named pip" in line for line in lines):
        chosen = ["this Python has no pip: python -m ensurepip"]
    return "\n".join(f"    {redact(line)[:200]}" for line in chosen)


def _key(origin: Origin, where: Place, paths: Sequence[Path]) -> str:
    if origin.kind == "git":
        content = origin.commit
    elif origin.root is not None:
        content = trees.digest(origin.root, paths)
    elif origin.kind == "wheel":
        content = hashlib.sha256(Path(origin.requirement).read_bytes()).hexdigest()
    else:
        content = origin.requirement
    parts = {
        "layout": _LAYOUT,
        "content": [origin.kind == "git", content],
        "project": str(where.project.relative_to(where.root)),
        "python": [sys.version, sys.prefix],
        "present": sorted({(dist.name or "", dist.version) for dist in metadata.distributions()}),
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def cache() -> Path:
    """Under XDG_CACHE_HOME, private to its user."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "benchkit" / "gate"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(
            f"cannot be made: {error.strerror}",
            where=str(folder),
            remedy="set XDG_CACHE_HOME to a folder of yours",
        ) from error
    return folder.resolve()


def _ready(folder: Path) -> dict[str, Any] | None:
    try:
        made: dict[str, Any] = json.loads((folder / _READY).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return made if Path(made["python"]).exists() else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two gates at a time build a side once."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tidy(mine: Path) -> None:
    """The cache does not grow without end; what is being built is left alone."""
    made = sorted(mine.parent.glob(f"*/{_READY}"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in made[_KEPT:]:
        lock = file.parent.with_suffix(".lock")
        with lock.open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            shutil.rmtree(file.parent, ignore_errors=True)
            lock.unlink(missing_ok=True)
