"use strict";
(() => {
  const button = (text, action) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", action);
    return made;
  };

  const save = (name, type, content) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  for (const figure of document.querySelectorAll("figure[data-file]")) {
    const numbers = figure.querySelector(".numbers"), pre = numbers.querySelector("pre"), name = figure.dataset.file;
    const saveCsv = () => save(`${name}.csv`, "text/csv", pre.textContent);
    const saveSvg = () => {
      const svg = figure.querySelector("svg").cloneNode(true), style = document.createElementNS(svg.namespaceURI, "style");
      style.textContent = document.querySelector("style").textContent;
      svg.prepend(style);
      save(`${name}.svg`, "image/svg+xml", new XMLSerializer().serializeToString(svg));
    };
    pre.before(button("Save as CSV", saveCsv), button("Save picture as SVG", saveSvg));
  }

  const key = (row, column) => {
    const text = row.cells[column]?.textContent.trim() ?? "", number = parseFloat(text.replaceAll(",", ""));
    return { text, number };
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    heads.forEach((head, column) => {
      const sort = button(head.textContent, () => {
        const descending = head.ariaSort === "ascending" || (head.ariaSort !== "descending" && column > 0);
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        head.ariaSort = descending ? "descending" : "ascending";
        const keys = new Map([...body.rows].map((row) => [row, key(row, column)]));
        const numeric = column > 0 && [...keys.values()].some((each) => !isNaN(each.number));
        const compare = (a, b) => numeric ? (a.number || 0) - (b.number || 0) : a.text.localeCompare(b.text, "en");
        body.append(...[...body.rows].sort((a, b) => (descending ? -1 : 1) * compare(keys.get(a), keys.get(b))));
      });
      head.replaceChildren(sort);
    });
  }

  const slider = document.getElementById("slider");
  if (slider) {
    const points = JSON.parse(document.getElementById("thresholds").textContent);
    const input = slider.querySelector("input"), shown = document.getElementById("threshold-value"), chosen = input.value;
    // On a curve, a second point shows where the slider is; the axes run from 0 to 1.
    const followed = ["roc", "precision-recall", "gain"].map((name) => document.querySelector(`figure[data-file="${name}"] svg`));
    const place = followed.map((svg) => {
      const point = svg.querySelector("path.mark").cloneNode();
      point.setAttribute("class", "dots c2");
      const [left, right, bottom, top] = svg.dataset.area.split(" ").map(Number);
      return (x, y) => {
        point.setAttribute("d", `M${left + x * (right - left)} ${bottom + y * (top - bottom)}h0`);
        svg.append(point);
      };
    });
    const show = () => {
      const [tp, fp, fn, tn] = ["tp", "fp", "fn", "tn"].map((name) => points[name][input.value]);
      const share = (part, whole) => whole > 0 ? part / whole : 0, threshold = points.threshold[input.value];
      const count = (value) => Math.round(value).toLocaleString("en"), metric = (value) => value.toFixed(3);
      const texts = {
        tp: count(tp), fp: count(fp), fn: count(fn), tn: count(tn), precision: metric(share(tp, tp + fp)),
        recall: metric(share(tp, tp + fn)), f1: metric(share(2 * tp, 2 * tp + fp + fn)), cost: points.cost?.[input.value].toFixed(1),
      };
      for (const cell of document.querySelectorAll("[data-count]")) cell.textContent = texts[cell.dataset.count];
      const recall = share(tp, tp + fn);
      [[share(fp, fp + tn), recall], [recall, share(tp, tp + fp)], [(tp + fp) / 1000, recall]].forEach((at, i) => place[i](...at));
      shown.textContent = metric(threshold);
      input.setAttribute("aria-valuetext", metric(threshold));
    };
    input.addEventListener("input", show);
    slider.append(button("Back to the chosen one", () => { input.value = chosen; show(); }));
    slider.hidden = false;
  }

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open]):not(.numbers)")];
    opened.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((each) => { each.open = false; }));
})();
