// A table of thousands of rows of which only those in sight are elements. Rows are sorted and filtered here; their order holds
// still while the pointer (or the keyboard) is on them.

import { classes, h, set, write } from "./dom.js";

const OVERSCAN = 6;             // rows beyond what is seen, above and below

export class VirtualTable {
  // `columns`: { key, title, value(row) to sort by, lines(row) -> [first, second], align, first: direction when first sorted by,
  // mark(row) -> [shown, meant] or null: short, before the second line, read out as what it means }.
  constructor(place, { columns, label, idOf, action = null, empty }) {
    this.columns = columns;
    this.idOf = idOf;
    this.action = action;
    this.rows = [];
    this.shown = [];
    this.pool = new Map();
    this.fits = () => true;
    this.sort = { key: columns[0].key, direction: 1 };
    this.head = h("div", { class: "x-vt-head", role: "row" }, columns.map((column) => this.header(column)), action ? h("span", { role: "columnheader" }, h("span", { class: "x-sr" }, "actions")) : null);
    this.space = h("div", { class: "x-vt-space", role: "rowgroup" });
    this.scroller = h("div", { class: "x-vt-scroll", tabindex: "0", "aria-label": label, onscroll: () => this.render() }, this.space);
    this.empty = h("p", { class: "x-quiet x-vt-empty" }, empty);
    this.table = h("div", { class: `x-vt${action ? " x-vt-acts" : ""}`, role: "table", "aria-label": label }, h("div", { role: "rowgroup" }, this.head), this.scroller);
    place.replaceChildren(this.table, this.empty);
    this.holders = new Set();
    for (const [holder, begin, end] of [["pointer", "pointerenter", "pointerleave"], ["focus", "focusin", "focusout"]]) {
      this.space.addEventListener(begin, () => this.holders.add(holder));
      this.space.addEventListener(end, () => this.release(holder));
    }
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => { this.measure(); this.render(); }).observe(this.scroller);
    this.measure();
  }

  header(column) {
    const button = h("button", { type: "button", onclick: () => this.sortBy(column) }, column.title, h("span", { class: "x-vt-arrow", "aria-hidden": "true" }));
    column.header = h("span", { role: "columnheader", class: `x-vt-${column.key}${column.align ? " x-vt-number" : ""}` }, button);
    return column.header;
  }

  get isHeld() {
    return this.holders.size > 0;
  }

  release(holder) {
    this.holders.delete(holder);
    if (!this.isHeld) this.refresh();
  }

  measure() {
    this.height = parseFloat(getComputedStyle(this.table).getPropertyValue("--x-row")) || 46;
    this.head.style.paddingRight = `${this.scroller.offsetWidth - this.scroller.clientWidth + 8}px`;
  }

  sortBy(column) {
    this.sort = { key: column.key, direction: this.sort.key === column.key ? -this.sort.direction : column.first ?? 1 };
    this.refresh(true);
  }

  // A new list of rows; objects of before may be used again.
  update(rows) {
    this.rows = rows;
    this.refresh();
  }

  filter(fits) {
    this.fits = fits;
    this.refresh(true);
  }

  // `anew`: whoever holds the order asked for another one.
  refresh(anew = false) {
    const found = this.rows.filter(this.fits);
    if (this.isHeld && !anew && this.shown.length) {
      const byId = new Map(found.map((row) => [this.idOf(row), row]));
      const kept = [];
      for (const row of this.shown) {
        const id = this.idOf(row);
        const now = byId.get(id);
        if (now) byId.delete(id);
        kept.push(now ?? Object.assign(row, { isGone: true }));
      }
      this.shown = [...kept, ...byId.values()];
    } else {
      const column = this.columns.find((one) => one.key === this.sort.key);
      const { direction } = this.sort;
      const keys = new Map(found.map((row) => [row, column.value(row)]));
      this.shown = found.sort((one, other) => {
        const [a, b] = [keys.get(one), keys.get(other)];
        return (a < b ? -1 : a > b ? 1 : this.idOf(one) < this.idOf(other) ? -1 : 1) * direction;
      });
    }
    for (const column of this.columns) {
      const isSorted = column.key === this.sort.key;
      set(column.header, "aria-sort", isSorted ? (this.sort.direction > 0 ? "ascending" : "descending") : "none");
      write(column.header.querySelector(".x-vt-arrow"), isSorted ? (this.sort.direction > 0 ? " ↑" : " ↓") : "");
    }
    set(this.table, "aria-rowcount", this.shown.length + 1);
    this.empty.hidden = this.shown.length > 0;
    this.table.hidden = !this.rows.length;
    this.space.style.height = `${this.shown.length * this.height}px`;
    this.render();
  }

  render() {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / this.height) - OVERSCAN);
    const last = Math.min(this.shown.length, Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / this.height) + OVERSCAN);
    const wanted = new Set();
    for (let index = first; index < last; index += 1) wanted.add(this.idOf(this.shown[index]));
    const free = [];
    for (const [id, element] of this.pool) {
      if (!wanted.has(id) && !element.contains(document.activeElement)) {
        this.pool.delete(id);
        free.push(element);
      }
    }
    for (let index = first; index < last; index += 1) {
      const row = this.shown[index];
      const id = this.idOf(row);
      let element = this.pool.get(id);
      if (!element) {
        element = free.pop() ?? this.makeRow();
        this.pool.set(id, element);
        if (!element.isConnected) this.space.append(element);
      }
      this.writeRow(element, row, index);
    }
    for (const element of free) element.remove();
  }

  makeRow() {
    const cells = this.columns.map((column) => {
      const texts = [h("span"), h("span")];
      const mark = column.mark ? h("span", { class: "x-vt-mark", hidden: true }, h("span", { "aria-hidden": "true" }), h("span", { class: "x-sr" })) : null;
      const cell = h("span", { role: "cell", class: `x-vt-${column.key}${column.align ? " x-vt-number" : ""}` }, texts[0], h("small", {}, mark, texts[1]));
      return Object.assign(cell, { texts, mark });
    });
    const element = h("div", { role: "row" }, cells);
    element.cells = cells;
    if (this.action) element.append(h("span", { role: "cell", class: "x-vt-act" }, h("button", { type: "button", class: "x-button", onclick: () => this.action.run(element.row) }, this.action.words)));
    return element;
  }

  writeRow(element, row, index) {
    element.row = row;
    const top = `translateY(${index * this.height}px)`;
    if (element.style.transform !== top) element.style.transform = top;
    set(element, "aria-rowindex", index + 2);
    classes(element, `x-vt-row${row.isGone ? " x-vt-gone" : ""}`);
    this.columns.forEach((column, number) => {
      const [one, two] = column.lines(row);
      const cell = element.cells[number];
      const [shown, meant] = column.mark?.(row) ?? [];
      write(cell.texts[0], one);
      if (!column.align) set(cell, "title", [one, meant, two].filter(Boolean).join(", "));
      write(cell.texts[1], two ?? "");
      if (!cell.mark) return;
      set(cell.mark, "hidden", !shown);
      write(cell.mark.firstChild, shown ?? "");
      write(cell.mark.lastChild, meant ? `${meant} ` : "");
    });
  }

  key(event) {
    const moves = { ArrowDown: this.height, ArrowUp: -this.height };
    if (event.target !== this.scroller || !(event.key in moves)) return;
    event.preventDefault();
    this.scroller.scrollTop += moves[event.key];
  }
}
