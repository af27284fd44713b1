"""pytest: measure a scenario in a test and assert on what came of it.

::

    def test_shared_memory_is_quick(benchkit):
        result = benchkit.run("scenario.yaml", only="transport=shm,http", quick=True)
        assert result.cell("shm").p50_us < result.cell("http").p50_us

A figure of an invalid cell is none: the test fails with the reason, or is skipped with `--benchkit-invalid=skip`.
`--benchkit-base=REF` also compares each scenario with that build (`benchkit check --base`). Where pytest-benchmark is
installed, cells are among its benchmarks, and its options (`--benchmark-json`, `--benchmark-compare`, groups) hold.

This file is imported by every pytest of an environment that has benchkit, so it imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from benchkit.asserting.bench import Bench


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and ini values."""
    group = parser.getgroup("benchkit", "measurements with benchkit")
    group.addoption("--benchkit-base", metavar="REF", help="Fail where a scenario is slower than this build.")
    group.addoption("--benchkit-blocks", metavar="N", type=int, help="Of --benchkit-base: blocks, at most.")
    group.addoption("--benchkit-out", metavar="DIR", help="Keep run directories here.")
    group.addoption(
        "--benchkit-invalid", choices=("fail", "skip"), help="What an invalid cell, or no decision, does to a test."
    )  # fmt: skip
    parser.addini("benchkit_invalid", "fail or skip: what an invalid cell does to a test", default="fail")


@pytest.fixture
def benchkit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Measures scenarios: `benchkit.run("scenario.yaml")`."""
    from benchkit.asserting.bench import Bench, settings

    return Bench(request.node, settings(request.config, tmp_path_factory.getbasetemp() / "benchkit"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """`--benchmark-skip` skips measurements, whoever makes them."""
    if "benchkit" in getattr(item, "fixturenames", ()):
        session = getattr(item.config, "_benchmarksession", None)
        if session is not None and session.skip:
            pytest.skip("Benchmarks are skipped (--benchmark-skip was used).")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`--benchmark-only` keeps measurements, whoever makes them."""
    session = getattr(config, "_benchmarksession", None)
    if session is None or not session.only:
        return
    for item in items:
        if "benchkit" in getattr(item, "fixturenames", ()):
            item.own_markers[:] = [mark for mark in item.own_markers if not _of_benchmark_only(mark)]


def _of_benchmark_only(mark: pytest.Mark) -> bool:
    return mark.name == "skip" and "--benchmark-only" in str(mark.kwargs.get("reason", ""))
