"use strict";
// Tables sort by a click on a heading: up, down, and as they were. Without this they are whole too.
function sortKey(cell) {
  const said = cell.getAttribute("data-value") || cell.textContent.trim();
  return said === "" || isNaN(said) ? said : Number(said);
}
function isMissing(key) {
  return typeof key === "string" && (key === "" || key.startsWith("\u2013"));
}
function compareKeys(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}
function sortedRows(rows, column, direction) {
  const keyed = rows.map((row, at) => ({ row, at, key: sortKey(row.cells[column]) }));
  keyed.sort((one, other) =>
    isMissing(one.key) - isMissing(other.key)  // what was not measured is last either way
    || direction * compareKeys(one.key, other.key) || one.at - other.at);
  return keyed.map(each => each.row);
}
function makeSortable(table) {
  const headings = Array.from(table.tHead.rows[0].cells), body = table.tBodies[0];
  const original = Array.from(body.rows);
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent.trim() || "as it was";
    heading.textContent = "";
    heading.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: "none" };
      const order = next[heading.getAttribute("aria-sort")] || "ascending";
      headings.forEach(each => each.removeAttribute("aria-sort"));
      if (order !== "none") heading.setAttribute("aria-sort", order);
      body.append(...(order === "none" ? original
        : sortedRows(original, column, order === "ascending" ? 1 : -1)));
    });
  });
}
if (typeof document !== "undefined") {
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  // What was run belongs on paper too; the values of figures stay folded.
  const folded = () => document.querySelectorAll("details.print:not([open])");
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = Array.from(folded());
    opened.forEach(each => { each.open = true; });
  });
  window.addEventListener("afterprint", () => opened.forEach(each => { each.open = false; }));
}
