"""`benchkit watch TARGET...`: live queues and traced programs, read-only, with the alert rules of a run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchkit.cli.exits import BROKEN, DONE

if TYPE_CHECKING:
    from benchkit.alerts.alerting import Alerting
    from benchkit.alerts.options import AlertOptions
    from benchkit.watch.watch import Round, Watch

Say = Callable[[str, str], None]
Show = Callable[["Round"], None]
LEAST_EVERY_S = 0.1


@click.command(short_help="Live queues and traced programs, read-only, with alerts.")
@click.argument("targets", nargs=-1, metavar="TARGET...")
@click.option("--list", "lists", multiple=True, metavar="KEY", help="A Redis list. Repeatable.")
@click.option(
    "--stream", "streams", multiple=True, metavar="NAME", help="A Redis or JetStream stream. Repeatable."
)
@click.option(
    "--group", "groups", multiple=True, metavar="NAME", help="Of a Redis stream; default: all. Repeatable."
)
@click.option("--queue", "queues", multiple=True, metavar="NAME", help="A RabbitMQ queue. Repeatable.")
@click.option("--management", metavar="URL", help="RabbitMQ's management API: unacknowledged, rates, age.")
@click.option(
    "--consumer", "consumers", multiple=True, metavar="NAME", help="Of JetStream; default: all. Repeatable."
)
@click.option(
    "--rules", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Alert rules and sinks, as the `alerts:` of a scenario. Default: the default rules.",
)  # fmt: skip
@click.option("--every", default="1s", metavar="TIME", show_default=True, help="How often to look.")
@click.option("--for", "lasting", default="", metavar="TIME", help="End after so long; default: at Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a round on standard output.")
@click.option(
    "--webhook", multiple=True, metavar="URL", help="Notices as JSON, as Slack takes it. Repeatable."
)
@click.option("--alertmanager", multiple=True, metavar="URL", help="Notices to an Alertmanager. Repeatable.")
@click.option(
    "--prometheus", type=click.IntRange(0, 65535), metavar="PORT",
    help="All metrics at http://127.0.0.1:PORT/metrics (0: any free port).",
)  # fmt: skip
@click.option("--fail-on-alert", is_flag=True, help="Exit code 1 when an alert fired.")
@click.option("--grafana", is_flag=True, help="Print a Grafana dashboard of these metrics, and end.")
def watch(
    targets: tuple[str, ...], lists: tuple[str, ...], streams: tuple[str, ...], groups: tuple[str, ...],
    queues: tuple[str, ...], management: str | None, consumers: tuple[str, ...], rules: Path | None, every: str,
    lasting: str, as_json: bool, webhook: tuple[str, ...], alertmanager: tuple[str, ...], prometheus: int | None,
    fail_on_alert: bool, grafana: bool,
) -> int:  # fmt: skip
    """Follow queues and traced programs that run already, and say when something is wrong.

    \b
    TARGET is one of, maybe with a name in front (cameras=redis://...):
      redis://host:6379/0  rediss://  unix:///path   with --list or --stream
      amqp://host:5672/vhost  amqps://               with --queue
      nats://host:4222  tls://                       with --stream
      trace:FOLDER, or a folder's path               of BENCHKIT_TRACE
    or env:NAME, as every URL here may be: what that variable of the
    environment holds, so that a password stays out of the list of processes.

    Nothing is taken, acknowledged or written. A ? is something that the server does not tell; >12 s: it has waited
    for so long at least.
    """
    from benchkit.cli.run import seconds
    from benchkit.errors import UsageError

    if grafana:
        from benchkit.watch.grafana import dashboard

        click.echo(dashboard(), nl=False)
        return DONE
    if not targets:
        raise UsageError(
            "nothing to watch", where="TARGET", remedy="`benchkit watch --help` shows what can be"
        )
    every_s = seconds("--every", every)
    if every_s < LEAST_EVERY_S:
        raise UsageError(f"{every} is more often than every 100 ms", where="--every")
    for_s = seconds("--for", lasting) if lasting else None
    from benchkit.watch.targets import Wanted, probes

    wanted = Wanted(lists, streams, groups, queues, consumers, management)
    found = probes(targets, wanted)
    options = _options(rules, webhook, alertmanager, prometheus)
    fired = _watched(found, options, every_s, for_s, as_json=as_json)
    return BROKEN if fired and fail_on_alert else DONE


def _options(
    rules: Path | None, webhooks: tuple[str, ...], alertmanagers: tuple[str, ...], prometheus: int | None
) -> AlertOptions:
    """What the file says, and the sinks of the command line; raises UsageError."""
    from benchkit.alerts.options import read
    from benchkit.errors import UsageError

    content = _file(rules) if rules is not None else {}
    sinks = content.get("sinks", "terminal")
    more: list[Any] = [{"sink": "webhook", "url": url} for url in webhooks]
    more += [{"sink": "alertmanager", "url": url} for url in alertmanagers]
    more += [{"sink": "prometheus", "port": prometheus}] if prometheus is not None else []
    try:
        return read({**content, "sinks": [*(sinks if isinstance(sinks, list) else [sinks]), *more]})
    except ValueError as error:
        where = str(rules) if rules is not None else "--webhook, --alertmanager, --prometheus"
        raise UsageError(str(error), where=where) from None


def _file(path: Path) -> dict[str, Any]:
    from benchkit.errors import UsageError
    from benchkit.scenario.nodes import plain
    from benchkit.scenario.problems import Problems
    from benchkit.scenario.reader import read_file

    problems = Problems()
    tree = read_file(path, problems)
    problems.raise_if_any()
    assert tree is not None  # noqa: S101  (else there were problems)
    content: dict[str, Any] = plain(tree)
    section = content.get("alerts", content) if len(content) == 1 else content
    if section == "default":
        return {}
    if not isinstance(section, dict):
        raise UsageError("expected `rules:` and maybe `sinks:`", where=str(path))
    return section


def _watched(
    probes: list[Any], options: AlertOptions, every_s: float, for_s: float | None, *, as_json: bool
) -> bool:
    """Rounds until the time is over or somebody ends it; whether any alert fired."""
    from benchkit.alerts.alerting import alerting
    from benchkit.cli.interrupts import installed
    from benchkit.watch.watch import Watch

    fired = False
    with _view(as_json=as_json, every_s=every_s) as (say, attach), alerting(options, say) as alerts:
        following = Watch(probes, alerts)
        show = attach(alerts)
        try:
            with installed():
                following.open()
                for now in _rounds(following, every_s, for_s):
                    fired |= any(notice.state == "firing" for notice in now.notices)
                    show(now)
        except KeyboardInterrupt:
            pass
        finally:
            following.close()
    return fired


def _rounds(following: Watch, every_s: float, for_s: float | None) -> Iterator[Round]:
    began, number, never = time.monotonic(), 0, threading.Event()
    while True:
        yield following.round()
        since = time.monotonic() - began
        # A round that took long is followed by the next one that is due, not by those that it missed.
        number = max(number + 1, int(since / every_s))
        if for_s is not None and number * every_s >= for_s:
            never.wait(max(0.0, for_s - since))
            return
        never.wait(max(0.0, number * every_s - since))


@contextmanager
def _view(*, as_json: bool, every_s: float) -> Iterator[tuple[Say, Callable[[Alerting], Show]]]:
    """How notices are said, and how rounds are shown."""
    from benchkit.cli.console import out
    from benchkit.units import show_seconds

    began_ns = time.monotonic_ns()
    if as_json:
        errors = out(err=True)

        def line(now: Round) -> None:
            click.echo(json.dumps(now.plain(began_ns), allow_nan=False))

        yield (
            lambda text, style: errors.print(text, style=style, markup=False, soft_wrap=True),
            lambda _: line,
        )
        return
    console = out()
    if not console.is_terminal:
        from benchkit.cli.watch_view import lines

        def plain(now: Round) -> None:
            for each in lines(now, (now.at_ns - began_ns) / 1e9):
                click.echo(each)

        yield lambda text, _: click.echo(text), lambda _: plain
        return
    from rich.live import Live

    from benchkit.cli.watch_view import table

    with Live(console=console, auto_refresh=False, transient=False) as live:
        footer = f"every {show_seconds(every_s)}, Ctrl-C ends"

        def attach(alerts: Alerting) -> Show:
            def show(now: Round) -> None:
                firing = len(alerts.evaluator.firing)
                live.update(table(now, firing, footer, console.width), refresh=True)

            return show

        yield lambda text, style: live.console.print(text, style=style, markup=False), attach
