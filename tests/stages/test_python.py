"""The user's own code: found where the scenario says, and every mistake in it named with its file."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pydantic import ValidationError

from benchkit.errors import StageError
from benchkit.stages.python import Python
from benchkit.tensors.message import Message

CODE = """
import numpy as np

calls = []

def double(arrays):
    return {name: array * 2 for name, array in arrays.items()}

def together(batch):
    calls.append(len(batch))
    return [{"sum": np.asarray(sum(a["x"].sum() for a in batch))} for _ in batch]

def as_tuple(batch):
    return tuple({} for _ in batch)

class Counter:
    made = 0
    def __init__(self):
        Counter.made += 1
        self.count = 0
        self.closed = False
    def __call__(self, arrays):
        self.count += 1
        return {"count": np.int64(self.count)}
    def close(self):
        self.closed = True
        Counter.last = self

class Box:
    @staticmethod
    def inside(arrays):
        return {}

class Idle:
    pass

class Picky:
    def __init__(self, weights):
        pass

class Broken:
    def __init__(self):
        raise OSError("no weights at /models/level")

class Waits:
    async def __call__(self, arrays):
        return {}

async def later(arrays):
    return {}

def returns(value):
    return lambda arrays: value

none = returns(None)
bare = returns(np.zeros(3))
number = returns({"x": 3.5})
nested = returns({"x": [1, 2]})
unnamed = returns({1: np.zeros(3)})
text = returns({"x": np.array(["a"])})
fails = lambda arrays: 1 / 0
threshold = 0.5
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a module of a name of its own, so that no test sees another's."""
    name = f"code_of_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(CODE)
    yield tmp_path, name
    sys.modules.pop(name, None)


def stage(folder, target, **options):
    path, name = folder
    return Python(target=f"{name}:{target}", path=path, **options)


def one(**arrays):
    return [Message(0, arrays)]


def test_a_function_takes_and_returns_named_arrays(folder):
    (reply,) = stage(folder, "double").open(0).run(one(x=np.arange(3)))
    assert reply["x"].tolist() == [0, 2, 4]


def test_each_message_of_a_batch_is_a_call(folder):
    replies = stage(folder, "Counter").open(0).run(one() * 3)
    assert [int(reply["count"]) for reply in replies] == [1, 2, 3]


def test_batched_gets_the_list(folder):
    replies = stage(folder, "together", batched=True).open(0).run(one(x=np.ones(2)) * 3)
    assert [float(reply["sum"]) for reply in replies] == [6, 6, 6]
    assert sys.modules[folder[1]].calls == [3]
    assert stage(folder, "as_tuple", batched=True).open(0).run(one() * 2) == [{}, {}]


def test_a_class_is_made_once_a_worker_and_closed(folder):
    first, second = stage(folder, "Counter").open(0), stage(folder, "Counter").open(0)
    cls = sys.modules[folder[1]].Counter
    assert cls.made == 2
    first.run(one())
    first.run(one())
    first.close()
    second.close()
    assert cls.last.closed


def test_names_inside_a_class(folder):
    assert stage(folder, "Box.inside").open(0).run(one()) == [{}]


def test_without_a_path_what_is_installed_is_used():
    (reply,) = Python(target="copy:copy").open(0).run(one(x=np.ones(2)))
    assert reply["x"].tolist() == [1, 1]
    with pytest.raises(StageError, match="no module named 'surely_not_installed'"):
        Python(target="surely_not_installed:run").open(0)


def test_the_search_path_is_as_before(folder):
    before = list(sys.path)
    stage(folder, "double").open(0)
    assert sys.path == before
    with pytest.raises(StageError):
        stage(folder, "nothing_here").open(0)
    assert sys.path == before


def test_neighbours_can_be_imported(folder):
    path, name = folder
    (path / f"{name}_helper.py").write_text("factor = 3")
    (path / f"{name}_main.py").write_text(f"from {name}_helper import factor\nrun = lambda arrays: {{}}")
    assert Python(target=f"{name}_main:run", path=path).open(0).run(one()) == [{}]
    del sys.modules[f"{name}_helper"], sys.modules[f"{name}_main"]


def test_repeatable_turns_the_check_of_replies_off(folder):
    assert stage(folder, "double").deterministic
    assert not stage(folder, "double", repeatable=False).deterministic


def test_facts_name_the_file(folder):
    facts = stage(folder, "double").open(0).facts()
    assert facts["file"] == str(folder[0] / f"{folder[1]}.py")


@pytest.mark.parametrize(
    "target", ["detector", "detector:", ":run", "a b:run", "a:run()", "a/b.py:run", "a:b:c", ""]
)
def test_targets_of_another_form_are_refused_with_the_scenario(target):
    with pytest.raises(ValidationError, match="module:callable"):
        Python(target=target)


@pytest.mark.parametrize(
    ("target", "what", "remedy"),
    [
        ("duoble", "has no 'duoble'", "did you mean 'double'"),
        ("Box.absent", "has no 'Box.absent'", "it has inside"),
        ("threshold", "type float, which cannot be called", "name a function"),
        ("Idle", "type Idle, which cannot be called", "__call__"),
        ("Picky", "Picky.. failed: TypeError", "made without arguments"),
        ("Broken", "Broken.. failed: OSError: no weights", "made without arguments"),
        ("later", "'later' is async", "plain function"),
        ("Waits", "'Waits' is async", "plain function"),
    ],
)
def test_what_cannot_be_called(folder, target, what, remedy):
    with pytest.raises(StageError, match=what) as caught:
        stage(folder, target).open(0)
    assert remedy in caught.value.remedy
    assert caught.value.where == str(folder[0] / f"{folder[1]}.py")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("import surely_not_installed.part", "needs 'surely_not_installed'"),
        ("def run(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_modules_that_cannot_be_imported(tmp_path, content, what):
    (tmp_path / "breaks_on_import.py").write_text(content)
    with pytest.raises(StageError, match=what) as caught:
        Python(target="breaks_on_import:run", path=tmp_path).open(0)
    assert caught.value.where == str(tmp_path)
    assert caught.value.__cause__ is not None


def test_a_folder_or_a_module_that_is_not_there(tmp_path):
    with pytest.raises(StageError, match="no such folder"):
        Python(target="a:run", path=tmp_path / "missing").open(0)
    with pytest.raises(StageError, match="no module named 'absent_here'") as caught:
        Python(target="absent_here:run", path=tmp_path).open(0)
    assert caught.value.remedy == "put absent_here.py there"


def test_a_name_that_is_taken_is_not_confused(tmp_path):
    (tmp_path / "json.py").write_text("loads = lambda arrays: {}")
    with pytest.raises(StageError, match="'json' was already imported from") as caught:
        Python(target="json:loads", path=tmp_path).open(0)
    assert "a name that nothing else uses" in caught.value.remedy


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("none", "returned None, not a dict"), ("bare", "type ndarray, not a dict"),
        ("number", "type float as 'x'"), ("nested", "type list as 'x'"), ("unnamed", "as 1"),
        ("text", "dtype <U1 may not"),
    ],
)  # fmt: skip
def test_replies_that_are_no_arrays(folder, target, what):
    with pytest.raises(StageError, match=what) as caught:
        stage(folder, target).open(0).run(one(x=np.ones(1)))
    assert target in caught.value.what
    assert caught.value.remedy
    assert caught.value.where.endswith(".py")


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("none", "returned None for a batch of 2"),
        ("bare", "type ndarray for a batch"),
        ("number", "type dict for a batch"),
    ],
)
def test_batched_replies_that_are_no_list(folder, target, what):
    with pytest.raises(StageError, match=what):
        stage(folder, target, batched=True).open(0).run(one() * 2)


def test_too_few_replies(folder):
    (folder[0] / "too_few_replies.py").write_text("run = lambda batch: [{}]")
    with pytest.raises(StageError, match="returned 1 replies for a batch of 2"):
        Python(target="too_few_replies:run", path=folder[0], batched=True).open(0).run(one() * 2)
    del sys.modules["too_few_replies"]


def test_the_users_exceptions_pass_as_they_are(folder):
    with pytest.raises(ZeroDivisionError):
        stage(folder, "fails").open(0).run(one())
