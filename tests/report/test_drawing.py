"""All charts of a report as pictures, by one process or two."""

from __future__ import annotations

import os

import pytest
from synthetic import dam

from benchkit.analysis.document import document
from benchkit.report.charts import drawing
from benchkit.report.charts.gallery import Chart, gallery
from benchkit.report.groups import groups


@pytest.fixture(scope="module")
def charts() -> dict[str, Chart]:
    run = dam()
    group = groups(run, document(run))[0]
    found = {f"g-{chart.kind}": chart for chart in gallery(group, {})}
    assert len(found) >= drawing._WORTH
    return found


@pytest.fixture(scope="module")
def alone(charts: dict[str, Chart]) -> drawing.Pictures:
    return drawing._drawn(charts, charts)


@pytest.mark.parametrize("fate", ["lives", "dies", "one core"])
def test_the_pictures_are_the_same_whoever_draws_them(
    fate: str, charts: dict[str, Chart], alone: drawing.Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, drawn_here = os.getpid(), drawing._drawn

    def dies(*given):
        if os.getpid() != here:
            os._exit(1)
        return drawn_here(*given)

    monkeypatch.setattr(drawing, "_second_core", lambda: fate != "one core")
    if fate == "dies":
        monkeypatch.setattr(drawing, "_drawn", dies)
    found = drawing.pictures(charts)
    assert list(found) == list(charts)
    assert found == alone
