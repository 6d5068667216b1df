"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const palette = ["ink", "faint", "grid", "band", "blue", "grey", "orange", "violet", "red", "amber", "green", "teal", "mark", "chosen_band"];
  const left = 60, right = 38, top = 8, bottom = 24, letter = 6.6;
  const count = data.rows.length;
  const labels = Object.fromEntries(data.rows.map((row) => [row.place, row.label]));
  const table = document.querySelector("tbody");
  const trs = [...table.rows];
  const cells = trs.map((tr) => [...tr.cells].map((cell) => cell.textContent));
  const heads = [...document.querySelectorAll("thead th")];
  const tip = document.getElementById("tip");
  const views = new Map();
  const apart = 20 + 7 * String(count).length;
  let at = 0;

  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const widthOf = (host) => Math.max(160, host.clientWidth - left - right);

  // Every place where there is room; else round steps, and the first.
  function ticks(width) {
    const wanted = Math.ceil(count / Math.max(2, Math.floor(width / apart)));
    if (wanted <= 1) return data.rows.map((row) => row.place);
    const power = 10 ** Math.floor(Math.log10(wanted));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= wanted);
    const found = [];
    for (let place = step; place <= count; place += step) found.push(place);
    return step > 2 ? [1, ...found] : found;
  }

  // Names lie flat where they fit side by side, and climb where they do not.
  function layout(key, width) {
    const marks = ticks(width);
    const longest = letter * Math.max(...marks.map((place) => labels[place].length));
    const flat = key !== data.last || longest + 10 < (width / count) * (marks.length > 1 ? marks[1] - marks[0] : count);
    return {
      padding: { left, right, top, bottom: bottom + (flat ? 0 : Math.min(120, longest) * 0.87) },
      signals: {
        ticks: marks, label_angle: flat ? 0 : -60, label_align: flat ? "center" : "right", label_baseline: flat ? "top" : "middle",
      },
    };
  }

  function set(values) {
    for (const [view] of views.values()) {
      for (const [name, value] of Object.entries(values)) view.signal(name, value);
      view.run();
    }
  }

  async function draw(key, spec) {
    const host = document.getElementById(`chart-${key}`);
    const layered = key !== "loss";
    const width = layered ? widthOf(host) : Math.min(360, host.clientWidth) - 240;
    spec.params = palette.map((name) => ({ name, value: colour(name) }));
    spec.width = width;
    spec.autosize = layered ? "none" : "pad";
    if (layered) {
      const { padding, signals } = layout(key, width);
      spec.padding = padding;
      spec.datasets = { ...spec.datasets, rows: data.rows, blocks: data.blocks, chosen: [] };
      spec.params.push(
        { name: "at", value: 0 }, { name: "first", value: 0 },
        { name: "labels", value: labels }, ...Object.entries(signals).map(([name, value]) => ({ name, value })),
      );
    }
    const renderer = count > 250 ? "canvas" : "svg";
    const { view } = await vegaEmbed(host, spec, { actions: false, renderer, tooltip: () => {}, mode: "vega-lite" });
    if (!layered) return [key, view];
    views.set(key, [view, host]);
    host.addEventListener("pointermove", (event) => point(host, event));
    host.addEventListener("pointerleave", () => look(0));
    host.addEventListener("click", () => trs[at - 1]?.scrollIntoView({ block: "center" }));
    return [key, view];
  }

  function point(host, event) {
    const box = host.getBoundingClientRect();
    const share = (event.clientX - box.left - left) / widthOf(host);
    const place = Math.round(share * count + 0.5);
    look(share < 0 || share > 1 ? 0 : Math.min(count, Math.max(1, place)), event);
  }

  // The layer under the pointer: a line through all panels, its row, its figures.
  function look(place, event) {
    if (place !== at) {
      trs[at - 1]?.classList.remove("at");
      trs[place - 1]?.classList.add("at");
      at = place;
      set({ at });
    }
    tip.hidden = !(place && event);
    if (tip.hidden) return;
    tell(place);
    const { offsetWidth: wide, offsetHeight: high } = tip;
    const x = event.clientX + 18 + wide > innerWidth ? event.clientX - 18 - wide : event.clientX + 18;
    tip.style.left = `${Math.max(4, x)}px`;
    tip.style.top = `${Math.max(4, Math.min(innerHeight - high - 4, event.clientY + 14))}px`;
  }

  function tell(place) {
    const [number, name, op, then, ...figures] = cells[place - 1];
    const list = document.createElement("dl");
    figures.forEach((figure, index) => list.append(node("dt", heads[index + 4].textContent.trim()), node("dd", figure)));
    tip.replaceChildren(node("b", `${number}  ${name}`), node("div", `${op} → ${then}`), list);
  }

  function node(kind, text) {
    const made = document.createElement(kind);
    made.textContent = text;
    return made;
  }

  function choose(button) {
    const chosen = button && button.getAttribute("aria-pressed") !== "true" ? button : null;
    for (const each of document.querySelectorAll(".choose")) each.setAttribute("aria-pressed", String(each === chosen));
    const { places, first, runs } = chosen ? data.findings[Number(chosen.dataset.finding)] : { places: [], first: 0, runs: [] };
    const held = new Set(places);
    trs.forEach((tr, index) => tr.classList.toggle("chosen", held.has(index + 1)));
    for (const [view] of views.values()) view.data("chosen", runs);
    set({ first });
  }

  function sort(head) {
    const falling = head.getAttribute("aria-sort") === "ascending";
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const key = head.dataset.key;
    const words = { nan: NaN, inf: Infinity, "-inf": -Infinity };
    const figure = (row) => (row[key] === null ? NaN : words[row[key]] ?? row[key]);
    const compare = (one, other) => {
      const [a, b] = [figure(one), figure(other)];
      if (typeof a === "string" && typeof b === "string") return (falling ? -1 : 1) * a.localeCompare(b, "en", { numeric: true });
      // What is not a number comes last, whichever way.
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return a === b ? 0 : (falling ? -1 : 1) * (a < b ? -1 : 1);
    };
    table.append(...[...data.rows].sort(compare).map((row) => trs[row.place - 1]));
  }

  function paint(theme) {
    root.dataset.theme = theme;
    document.getElementById("theme").textContent = theme === "dark" ? "Light" : "Dark";
    const colours = Object.fromEntries(palette.map((name) => [name, colour(name)]));
    set(colours);
    for (const [name, value] of Object.entries(colours)) loss?.signal(name, value);
    loss?.run();
  }

  let loss = null;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  paint(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => paint(dark.matches ? "dark" : "light"));
  document.getElementById("theme").addEventListener("click", () => paint(root.dataset.theme === "dark" ? "light" : "dark"));
  let before = "light";
  addEventListener("beforeprint", () => { before = root.dataset.theme; paint("light"); });
  addEventListener("afterprint", () => paint(before));
  for (const head of heads) head.querySelector("button").addEventListener("click", () => sort(head));
  for (const button of document.querySelectorAll(".choose")) button.addEventListener("click", () => choose(button));
  for (const tr of trs) {
    tr.addEventListener("pointerenter", () => look(Number(tr.dataset.place)));
    tr.addEventListener("pointerleave", () => look(0));
  }
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      button.textContent = "Copied";
    });
  }
  addEventListener("resize", () => {
    for (const [key, [view, host]] of views) {
      const { padding, signals } = layout(key, widthOf(host));
      view.width(widthOf(host)).padding(padding);
      for (const [name, value] of Object.entries(signals)) view.signal(name, value);
      view.run();
    }
  });

  Promise.all(Object.entries(data.charts).map(([key, spec]) => draw(key, spec))).then((drawn) => {
    loss = drawn.find(([key]) => key === "loss")?.[1] ?? null;
    choose(document.querySelector(".finding:not(.info) .choose"));
    document.body.dataset.ready = "yes";
  });
})();
