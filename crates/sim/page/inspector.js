// The right side: what the bot was told and answered, what it asked of Microsoft's side, counts, limits and faults.

import { get, patch, path, remove } from "./api.js";
import { button, h, json, number, present, roving, settle, stateName, status, tabs, time } from "./dom.js";

const SHOWN = 60;
const ENTRY = "details.entry > summary";

export class Inspector {
  /** `conversation` tells what is open; `bots` the bots. */
  constructor(root, { conversation, bots }) {
    this.conversation = conversation;
    this.bots = bots;
    this.tab = null;
    this.turn = 0;
    this.only = h("input", { type: "checkbox", id: "only", checked: true, on: { change: () => this.fill() } });
    this.list = h("div", { class: "entries" });
    roving(this.list, ENTRY);
    this.tabs = tabs("Details of", { told: "Events", journal: "Journal", counts: "Counts", limits: "Limits" }, (name, panel) => this.choose(name, panel));
    root.append(this.tabs.bar, this.tabs.panel);
    this.tabs.choose("told");
  }

  choose(name, panel) {
    this.tab = name;
    this.seen = null;
    this.entries = new Map();
    this.list.replaceChildren();
    const heads = {
      told: h("div", { class: "intro" }, h("p", {}, "What bots were told, and what they answered"), h("label", { class: "check" }, this.only, "only this conversation")),
      journal: h("div", { class: "intro" }, h("p", {}, "What bots asked of Microsoft's side, the last requests")),
    };
    this.area = h("div");
    panel.replaceChildren(...(heads[name] ? [heads[name], this.list] : [this.area]));
    this.refresh();
  }

  /** Begins the list again, for another conversation. */
  fill() {
    this.seen = null;
    this.entries = new Map();
    this.list.replaceChildren();
    this.refresh();
  }

  async refresh() {
    const turn = ++this.turn;
    const show = { told: () => this.told(), journal: () => this.journal(), counts: () => this.counts(), limits: () => this.limits() }[this.tab];
    const draw = await show();
    if (turn === this.turn) draw();
  }

  async told() {
    const conversation = this.only.checked ? this.conversation() : null;
    const page = await get(path(["told"], { conversation, limit: SHOWN }));
    return () => this.newestFirst(page.items, (entry) => this.toldEntry(entry), "Nothing was told yet.");
  }

  toldEntry(entry) {
    const bot = this.bots().find((one) => one.app_id === entry.app_id)?.name ?? entry.app_id;
    return h("details", { class: "entry" },
      h("summary", {}, h("span", { class: "what" }, entry.event || "activity"), status(entry.status), h("span", { class: "ms" }, `${number(entry.took_ms)} ms`), time(entry.at)),
      h("p", { class: "below" }, [`to ${bot}`, entry.attempt > 1 ? `attempt ${entry.attempt}` : null, entry.problem].filter(Boolean).join(", ")),
      json("Activity", entry.activity, true), entry.answer === null ? h("p", { class: "note" }, "The answer had no body.") : json("Answer", entry.answer, true));
  }

  async journal() {
    // Beyond the end nothing is listed, but the end is told.
    const { last } = await get(path(["journal"], { after: Number.MAX_SAFE_INTEGER, limit: 1 }));
    const page = await get(path(["journal"], { after: Math.max(0, last - SHOWN), limit: SHOWN }));
    return () => this.newestFirst(page.items, journalEntry, "No requests yet.");
  }

  /** Keeps entries that are there (they may be open) and puts new ones on top. */
  newestFirst(items, draw, none) {
    const ids = new Set(items.map((item) => item.n));
    for (const [n, element] of this.entries) {
      if (!ids.has(n)) {
        element.remove();
        this.entries.delete(n);
      }
    }
    this.list.querySelector(".note.none")?.remove();
    for (const item of items) {
      if (this.entries.has(item.n)) continue;
      const element = draw(item);
      this.entries.set(item.n, element);
      this.list.prepend(element);
    }
    if (items.length === 0) this.list.append(h("p", { class: "note none" }, none));
    settle(this.list, ENTRY);
  }

  async counts() {
    const counts = await get("counts");
    return () => this.area.replaceChildren(
      tiles({
        "messages taken": counts.accepted, "answers lost": counts.answers_lost, "throttled": counts.throttled.limits + counts.throttled.faults,
        "limit breaches": counts.limit_breaches, "most to one person": counts.most_per_recipient_total, "most in a second": counts.peak_per_s,
        "being worked on": counts.open, "events to come": counts.events.pending,
      }),
      h("h3", {}, "Requests"), table(["operation", "status", "count"], Object.entries(counts.requests).flatMap(([op, by]) =>
        Object.entries(by).map(([code, count]) => [op, status(code === "cut" ? null : Number(code)), number(count)]))),
      h("h3", {}, "Events to bots"), table(["answer", "count"], [
        ...Object.entries(counts.events.answered).map(([code, count]) => [status(Number(code)), number(count)]),
        ["none", number(counts.events.no_answer)], ["sent again", number(counts.events.sent_again)], ["given up", number(counts.events.given_up)]]),
      h("h3", {}, "People"), table(["state", "people"], [
        ...Object.entries(counts.people).map(([state, count]) => [stateName(state), number(count)]), ["together", number(counts.people_total)]]));
  }

  async limits() {
    const [settings, faults, clock, outage] = await Promise.all([get("settings"), get("faults"), get("time"), get("outage")]);
    const turn = async (on) => { await patch("settings", { limits: on }); this.refresh(); };
    const drop = async (id) => { await remove(path(id === null ? ["faults"] : ["faults", String(id)])); this.seen = null; this.refresh(); };
    const text = JSON.stringify([settings, faults, clock.mode, outage]);
    return () => {
      // What has the focus is not taken away under somebody's hands.
      if (this.seen === text || (this.seen !== null && this.area.contains(document.activeElement))) return;
      this.seen = text;
      const { limits, limits_per_s, window, scale, retry_after_s, latency, ...others } = settings;
      this.area.replaceChildren(...present([
        h("h3", {}, "Limits"), h("label", { class: "check" }, h("input", { type: "checkbox", checked: limits, on: { change: (event) => turn(event.target.checked) } }), "Microsoft's limits are enforced"),
        table(["setting", "value"], Object.entries({ "requests in a second": limits_per_s, window, "scale of windows": scale, "Retry-After": retry_after_s ?? "none", latency: plain(latency) }).map(([name, value]) => [name, String(value)])),
        h("h3", {}, "Time and region"), table(["what", "now"], [
          ["time", { real: "real", explicit: "stands still until told", scaled: `${clock.scale} times as fast` }[clock.mode] ?? plain(clock.mode)],
          ["outage", outage.outage ? `${plain(outage.outage.kind)}, ${number(outage.outage.hits)} hits` : "none"], ["limit now", `${plain(outage.limit_now)} in a second`],
        ]),
        h("h3", {}, "Faults"), faults.items.length === 0 ? h("p", { class: "note" }, "None: every request is answered as Microsoft would.") : h("ul", { class: "faults" }, faults.items.map((fault) =>
          h("li", {}, json(`Fault ${fault.id}: ${number(fault.hits)} hits`, fault), button("Remove", () => drop(fault.id), { class: "quiet", "aria-label": `Remove fault ${fault.id}` })))),
        faults.held > 0 ? h("p", { class: "note" }, `${number(faults.held)} requests are held.`) : null,
        faults.items.length > 1 ? button("Remove all", () => drop(null)) : null,
        h("h3", {}, "Other settings"), table(["setting", "value"], Object.entries(others).map(([name, value]) => [name.replaceAll("_", " "), plain(value)])),
      ]));
    };
  }
}

function journalEntry(entry) {
  return h("details", { class: "entry" },
    h("summary", {}, h("span", { class: "what" }, entry.op.replaceAll("_", " ")), status(entry.status), h("span", { class: "ms" }, `${number(entry.ms)} ms`), time(entry.at)),
    h("dl", {}, Object.entries(entry).filter(([, value]) => value !== null && value !== false).flatMap(([name, value]) =>
      [h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, String(value))])));
}

const plain = (value) => (value !== null && typeof value === "object" ? Object.values(value).map(plain).join(" ") : String(value ?? "none"));

function tiles(values) {
  return h("dl", { class: "tiles" }, Object.entries(values).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, number(value)))));
}

function table(heads, rows) {
  if (rows.length === 0) return h("p", { class: "note" }, "Nothing yet.");
  return h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell))))));
}
