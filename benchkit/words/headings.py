"""What columns, rows of facts and badges are called: short, and the same word wherever it stands."""

from __future__ import annotations

from typing import Final

from benchkit.words.speech import word

HEADINGS: Final = frozenset(
    {
        word("cell"), word("cpu"), word("cells"), word("option"), word("bottleneck"), word("guarantee"), word("rate"),
        word("CPU/message"), word("to the best"), word("what limits it"), word("valid"), word("validity"),
        word("not valid"), word("lowest"), word("tie"), word("no interval"), word("slowest 1%"),
        word("slowest 10%"), word("won"), word("tied"), word("alone"), word("blank"), word("message"),
        word("messages"), word("latency"), word("block"), word("blocks"), word("round"), word("rounds"),
        word("number"), word("phase"), word("phases"), word("largest phase"), word("verdict"),
        word("payload"), word("load"), word("path"), word("account"), word("evidence"), word("options"),
        word("limits"), word("slow messages"), word("not seen"), word("floor"), word("drift"),
        word("profile"), word("started"), word("took"), word("seed"), word("kernel"), word("python"),
        word("packages"), word("fingerprint"), word("memory"), word("governor"), word("warm-up"),
        word("of"), word("max"), word("together"), word("per GB"), word("95% interval"), word("events"),
        word("moved"), word("ratio"), word("offered"), word("goodput"), word("growth"), word("capacity"),
        word("capacity per s"), word("bound per s"), word("population"), word("least latency"),
        word("little"), word("name"), word("kind"), word("seq"), word("worker"), word("workers"),
        word("at"), word("meanwhile"), word("role"), word("servers"), word("stages"), word("producers"),
        word("brokers"), word("links"), word("utilisation"), word("demand per message"),
        word("saturates per s"), word("demand is"), word("runnable share"), word("cpu per message"),
        word("spin share"), word("runnable per message"), word("voluntary switches per message"),
        word("involuntary switches per message"), word("minor faults per message"),
        word("major faults per message"), word("busy per message"), word("blocked at least per message"),
        word("busy share"), word("bytes per s"), word("gc pause per message"), word("now"),
        word("predicted"), word("measured"), word("limited by"), word("why not"), word("what"),
        word("change"), word("source"), word("assumption"), word("inside"), word("failed"), word("mean"),
        word("throughput"), word("share"), word("per added"), word("p50 slope"), word("words"),
        word("added"), word("gc"), word("fault"), word("result"), word("winners"), word("compared"),
        word("transport"), word("codec"), word("frame"), word("where"), word("caller"),
        word("caller share"), word("builtin"), word("party"), word("type"), word("runs"), word("run"),
        word("client"), word("server"), word("count"), word("explained"), word("age"), word("staleness"),
        word("jitter"), word("freezes"), word("lead time"), word("backlog"), word("drain"), word("recovery"),
        word("stages saw"),
    }
)  # fmt: skip
