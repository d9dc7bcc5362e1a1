"use strict";
(() => {
  const table = document.querySelector("table.fleet");
  if (!table) return;
  const body = table.tBodies[0];
  const key = (row, column) => row.cells[column].dataset.key ?? row.cells[column].textContent;
  const number = (text) => (text !== "" && !Number.isNaN(Number(text)) ? Number(text) : null);
  const compare = (a, b) => {
    if (a === b) return 0;
    if (a === "" || b === "") return a === "" ? 1 : -1; // what is not known comes last
    const [x, y] = [number(a), number(b)];
    return x !== null && y !== null ? x - y : a.localeCompare(b);
  };
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a, column), key(b, column)];
        return x === "" || y === "" ? compare(x, y) : down ? compare(y, x) : compare(x, y);
      });
      body.append(...rows);
    });
  });
  const filter = document.querySelector("#filter");
  const shown = document.querySelector("#shown");
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word));
      row.classList.toggle("hidden", !fits);
      count += fits ? 1 : 0;
    }
    shown.textContent = `${count} of ${body.rows.length} rows`;
  });
})();
