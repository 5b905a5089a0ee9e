// Building the document. Every text goes in as text: nothing here makes markup of a string.

/** An element. Properties: `class`, `on` (event name to listener), `text`, else attributes; false and null leave one out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  return element;
}

/** What there is of a list of children: the rest stands for something that is not shown. */
export const present = (children) => children.flat().filter((child) => child !== null && child !== undefined && child !== false);

export const byId = (id) => document.getElementById(id);

export function button(text, listener, properties = {}) {
  return h("button", { type: "button", on: { click: listener }, ...properties }, text);
}

/** Says something to whoever listens to the page instead of looking at it. */
export function announce(text) {
  byId("live").textContent = text;
}

/** The arrow keys move among the elements of `container` that match; Tab stops at one of them. */
export function roving(container, selector, { horizontal = false, moved = () => {} } = {}) {
  const all = () => [...container.querySelectorAll(selector)].filter((item) => item.offsetParent !== null);
  const [before, after] = horizontal ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
  container.addEventListener("keydown", (event) => {
    const items = all();
    const at = items.indexOf(event.target);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = {
      [before]: items[at - 1], [after]: items[at + 1], Home: items[0], End: items[items.length - 1],
    }[event.key];
    if (![before, after, "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    if (next) {
      next.focus();
      moved(next);
    }
  });
  container.addEventListener("focusin", (event) => {
    const item = event.target.closest(selector);
    if (item && container.contains(item)) settle(container, selector, item);
  });
}

/** Makes one of the elements the place where Tab stops: this one, else the one there was, else the first. */
export function settle(container, selector, item) {
  const items = [...container.querySelectorAll(selector)];
  const one = item ?? items.find((other) => other.tabIndex === 0) ?? items[0];
  for (const other of items) other.tabIndex = other === one ? 0 : -1;
}

/** A row of tabs over one panel; `show` fills the panel for the name of a tab. */
export function tabs(label, names, show) {
  const id = label.toLowerCase().replaceAll(" ", "-");
  const panel = h("div", { class: "panel", role: "tabpanel", id: `panel-${id}` });
  const choose = (name) => {
    for (const tab of bar.children) tab.setAttribute("aria-selected", String(tab.dataset.name === name));
    settle(bar, "[role=tab]", [...bar.children].find((tab) => tab.dataset.name === name));
    panel.setAttribute("aria-label", names[name]);
    show(name, panel);
  };
  const bar = h("div", { class: "tabs", role: "tablist", "aria-label": label },
    Object.entries(names).map(([name, text]) => h("button", {
      type: "button", role: "tab", "data-name": name, "aria-controls": panel.id, on: { click: () => choose(name) },
    }, text)));
  roving(bar, "[role=tab]", { horizontal: true, moved: (tab) => choose(tab.dataset.name) });
  return { bar, panel, choose };
}

const HUES = 6;

/** A round sign with the first letters of a name. */
export function avatar(name, kind = "person") {
  const words = (name ?? "?").split(/[\s/]+/).filter((word) => /\p{L}|\p{N}/u.test(word));
  const letters = [words[0], words.length > 1 ? words[words.length - 1] : ""].map((word) => [...(word ?? "")][0] ?? "");
  const hue = [...(name ?? "")].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % HUES;
  return h("span", { class: `avatar ${kind} hue-${hue}`, "aria-hidden": "true" }, letters.join("").toUpperCase() || "?");
}

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const SHORT = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function time(text, short = false) {
  const at = new Date(text ?? NaN);
  if (Number.isNaN(at.getTime())) return h("span");
  return h("time", { datetime: text, title: DAY.format(at) }, (short ? SHORT : TIME).format(at));
}

/** A number for people: 12,345. */
export const number = (value) => (value ?? 0).toLocaleString("en");

/** A disclosure that shows a value as JSON; it is written out when it is opened. */
export function json(label, value, open = false) {
  const pre = h("pre", { class: "json", tabindex: "0", "aria-label": label });
  const fill = () => { if (!pre.textContent) pre.textContent = typeof value === "string" ? value : JSON.stringify(value, null, 2); };
  if (open) fill();
  return h("details", { class: "json", open, on: { toggle: fill } }, h("summary", {}, label), pre);
}

/** The state of a person, as a person says it. */
export const stateName = (state) => state.replaceAll("_", " ").replace("admin disabled", "disabled by admin").replace("team only", "only in a team");

/** How good a state is, as a class of chips. */
export const stateKind = (state) => (state === "installed" ? "good" : state === "blocked" || state === "admin_disabled" ? "bad" : "warn");
export const stateChip = (state) => h("span", { class: `chip ${stateKind(state)}` }, stateName(state));

/** A label for an HTTP status; null means that there was no answer. */
export function status(code) {
  const kind = code === null || code === undefined || code >= 500 ? "bad" : code >= 400 ? "warn" : "good";
  return h("span", { class: `chip ${kind}` }, code === null || code === undefined ? "no answer" : String(code));
}
