"use strict";
(() => {
  // Chosen runs side by side, from the figures that the page carries; nothing is fetched.
  const by = (id) => document.getElementById(id);
  const carried = by("figures");
  if (!carried) return;
  const { cells, runs } = JSON.parse(carried.textContent);
  const section = by("chosen");
  const boxes = [...document.querySelectorAll("input[data-run]")];
  let chosen = [];

  // A long table begins with its first rows, whatever it is sorted by; looking for something shows all that fits.
  const listed = document.querySelector("table.runs");
  const older = by("older");
  const all = () => {
    listed.classList.remove("brief");
    older.hidden = true;
  };
  if (runs.length > 20) {
    listed.classList.add("brief");
    older.hidden = false;
    older.addEventListener("click", all);
    by("filters").addEventListener("input", all);
  }

  const quantity = (us) => {
    if (us === null) return "-";
    for (const [unit, scale] of [["us", 1], ["ms", 1e3], ["s", 1e6]]) {
      const value = us / scale;
      if (value < 999.5 || unit === "s") return `${value.toFixed(value >= 99.95 ? 0 : 1)}\u00a0${unit}`;
    }
    return "-";
  };
  const make = (tag, words = "", name = "") => {
    const made = document.createElement(tag);
    if (words) made.append(words);
    if (name) made.className = name;
    return made;
  };
  const line = (parts) => {
    const made = make("tr");
    made.append(...parts);
    return made;
  };
  const head = (words, scope) => {
    const made = make("th");
    made.scope = scope;
    const name = make("bdi", words);
    made.append(name);
    return made;
  };
  const field = (own, base, first) => {
    const made = make("td");
    if (!own) {
      made.append(make("span", "not in this run", "quiet"));
      return made;
    }
    const [, p50, low, high, valid] = own;
    made.append(make("span", quantity(p50)));
    const ratio = !first && base && base[1] > 0 && p50 !== null ? `, ${(p50 / base[1]).toFixed(2)}x` : "";
    const interval = low === null ? "no interval" : `[${quantity(low)}, ${quantity(high)}]`;
    made.append(make("span", `${interval}${ratio}${valid ? "" : ", not valid"}`, "interval"));
    return made;
  };
  const table = () => {
    const found = chosen.map((at) => new Map(runs[at].of.map((each) => [each[0], each])));
    const shared = cells.map((_, at) => at).filter((at) => found.filter((each) => each.has(at)).length > 1);
    const made = make("table", "", "plain");
    made.append(make("caption", shared.length ? "p50 of the cells that at least two of them share" : "They share no cell."));
    const top = make("thead");
    top.append(line([head("cell", "col"), ...chosen.map((at) => head(runs[at].name, "col"))]));
    const body = make("tbody");
    for (const at of shared) {
      const label = head(cells[at][1], "row");
      label.append(make("span", cells[at][0], "interval"));
      const base = found[0].get(at);
      body.append(line([label, ...found.map((each, place) => field(each.get(at), base, place === 0))]));
    }
    made.append(top, body);
    return made;
  };
  const unlike = () => {
    const own = chosen.map((at) => runs[at]);
    const said = [];
    if (new Set(own.map((each) => each.machine)).size > 1) said.push("Measured on unlike machines: ratios compare machines too.");
    if (new Set(own.map((each) => each.scenario)).size > 1) said.push("Of unlike scenarios: cells of one name may carry other messages.");
    if (own.some((each) => each.quick)) said.push("Some were quick: short blocks, wide intervals.");
    return said.join(" ");
  };
  const show = () => {
    section.hidden = chosen.length < 2;
    if (section.hidden) {
      by("said").textContent = chosen.length ? "One run ticked; tick another to compare." : "";
      return;
    }
    by("chosen-table").replaceChildren(table());
    const words = unlike();
    by("chosen-unlike").textContent = words;
    by("chosen-unlike").hidden = !words;
    by("chosen-command").textContent = ["compare", "report"]
      .map((verb) => `benchkit ${verb} ${chosen.map((at) => runs[at].path).join(" ")}`)
      .join("\n");
    by("said").textContent = `${chosen.length} runs are compared beneath the table.`;
  };
  for (const box of boxes) {
    box.checked = false; // a browser that comes back to the page remembers ticks
    box.addEventListener("change", () => {
      const at = Number(box.dataset.run);
      chosen = box.checked ? [...chosen, at] : chosen.filter((each) => each !== at);
      show();
    });
  }
  by("chosen-none").addEventListener("click", () => {
    for (const box of boxes) box.checked = false;
    chosen = [];
    show();
    boxes[0]?.focus();
  });
})();
