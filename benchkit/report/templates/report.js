"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const by = (id) => document.getElementById(id);
  const root = document.documentElement;
  const said = by("said");
  const say = (words) => { said.textContent = words; };
  for (const each of all("[data-scripted]")) each.hidden = false;

  // Light and dark: the system's choice until somebody makes another.
  const theme = by("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();

  // Sorting: within each group, because cells of different groups carry different messages. Empty keys stay last.
  const keyOf = (row, at) => {
    const field = row.cells[at];
    return field.dataset.key ?? field.textContent.trim();
  };
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
  };
  const sort = (table, header, at) => {
    const next = { ascending: "descending", descending: "none" };
    const order = next[header.getAttribute("aria-sort")] ?? "ascending";
    for (const each of all("thead th", table)) each.removeAttribute("aria-sort");
    if (order !== "none") header.setAttribute("aria-sort", order);
    const sign = order === "descending" ? -1 : 1;
    for (const body of table.tBodies) {
      const rows = all("tr[data-order]", body);
      rows.sort((left, right) => {
        if (order === "none") return left.dataset.order - right.dataset.order;
        const [a, b] = [keyOf(left, at), keyOf(right, at)];
        if (a === "" || b === "") return (a === "") - (b === "");
        return sign * compare(a, b) || left.dataset.order - right.dataset.order;
      });
      body.append(...rows);
    }
    say(order === "none" ? "In the order of the ranking" : `Sorted by ${header.textContent.trim()}, ${order}`);
  };
  for (const table of all("table[data-sort]")) {
    for (const [at, header] of all("thead th", table).entries()) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sort(table, header, at));
      header.append(button);
    }
  }

  // Filtering: every word of the search, and one value of each axis.
  const filters = by("filters");
  if (filters) {
    const rows = all("#results tr[data-order]");
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const filter = () => {
      const words = by("find").value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = all("select", filters).map((select) => [Number(select.dataset.axis), select.value]);
      let count = 0;
      for (const row of rows) {
        const places = row.dataset.choices.split(" ");
        const group = row.parentElement.dataset.title.toLowerCase();
        const text = `${texts.get(row)} ${group}`;
        const fits = words.every((word) => text.includes(word));
        row.hidden = !(fits && chosen.every(([axis, value]) => value === "" || places[axis] === value));
        count += row.hidden ? 0 : 1;
      }
      for (const body of all("#results tbody")) body.hidden = all("tr[data-order]:not([hidden])", body).length === 0;
      by("nothing").hidden = count > 0;
      by("shown").textContent = `${count} of ${rows.length} ${filters.dataset.noun ?? "cells"}`;
    };
    filters.addEventListener("input", filter);
    by("reset").addEventListener("click", () => {
      for (const each of all("input,select", filters)) each.value = "";
      filter();
      by("find").focus();
    });
    filter();
  }

  // Charts: the exact value of what is pointed at, touched, or stepped to with the arrow keys.
  const tip = by("tip");
  const reach = 24;
  let looked = null;
  const place = () => {
    if (!looked) return;
    const box = looked.getBoundingClientRect();
    const own = tip.getBoundingClientRect();
    const left = Math.min(box.left + box.width / 2 - own.width / 2, innerWidth - own.width - 8);
    const above = box.top - own.height - 8;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above > 8 ? above : Math.max(8, Math.min(box.bottom + 8, innerHeight - own.height - 8))}px`;
  };
  const show = (plot, mark, words) => {
    looked?.classList.remove("on");
    looked = mark;
    tip.hidden = !mark;
    if (!mark) return;
    mark.classList.add("on");
    tip.textContent = words;
    plot.parentElement.append(tip); // a dialog lies above everything that is not in it
    place();
  };
  addEventListener("scroll", place, { capture: true, passive: true });
  const away = (box, x, y) =>
    Math.hypot(Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
  const nearest = (marks, x, y) => {
    let [best, least] = [null, reach];
    for (const mark of marks) {
      const distance = away(mark.getBoundingClientRect(), x, y);
      if (distance < least) [best, least] = [mark, distance];
    }
    return best;
  };
  for (const plot of all(".plot")) {
    const words = new Map();
    for (const mark of all(".mark", plot)) {
      const title = mark.querySelector("title");
      if (!title) continue;
      words.set(mark, title.textContent);
      title.remove(); // the browser would show it a second time
    }
    const marks = [...words.keys()];
    if (!marks.length) continue;
    let at = -1;
    const look = (mark) => show(plot, mark, words.get(mark));
    const point = (event) => {
      const over = event.target.closest?.(".mark");
      look(words.has(over) ? over : nearest(marks, event.clientX, event.clientY));
    };
    plot.addEventListener("pointermove", point);
    plot.addEventListener("pointerdown", point);
    plot.addEventListener("pointerleave", () => look(null));
    plot.addEventListener("blur", () => look(null));
    plot.addEventListener("keydown", (event) => {
      const last = marks.length - 1;
      const to = {
        ArrowRight: Math.min(at + 1, last), ArrowDown: Math.min(at + 1, last),
        ArrowLeft: Math.max(at - 1, 0), ArrowUp: Math.max(at - 1, 0), Home: 0, End: last,
      }[event.key];
      if (event.key === "Escape" && !tip.hidden) {
        event.preventDefault();
        look(null);
      }
      if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      at = to;
      marks[at].scrollIntoView({ block: "nearest", inline: "nearest" });
      look(marks[at]);
      say(words.get(marks[at]));
    });
    plot.setAttribute("aria-describedby", "how");
  }

  // Enlarging: the chart itself moves into the dialog and back, so that no id is there twice.
  const large = by("large");
  for (const button of all("[data-enlarge]")) {
    button.addEventListener("click", () => {
      const figure = button.closest("figure");
      const plot = figure.querySelector(".plot");
      const gap = document.createComment("");
      figure.style.minHeight = `${figure.offsetHeight}px`;
      plot.replaceWith(gap);
      by("large-title").textContent = plot.getAttribute("aria-label");
      by("large-body").replaceChildren(plot);
      large.addEventListener("close", () => {
        show(plot, null);
        gap.replaceWith(plot);
        figure.style.minHeight = "";
        button.focus();
      }, { once: true });
      large.showModal();
    });
  }
  large.addEventListener("click", (event) => { if (event.target === large) large.close(); });
  by("large-close").addEventListener("click", () => large.close());
})();
