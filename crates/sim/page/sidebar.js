// The left side: what was said lately, people, channels. The server searches; here is only the page that was asked for.

import { get, path } from "./api.js";
import { avatar, button, h, number, roving, settle, stateChip, stateName, tabs, time } from "./dom.js";

const ITEM = "button.item";
const PAGE = 50;
/** Milliseconds without another key before a search starts. */
const QUIET = 150;

const PLACEHOLDERS = { recent: "Search conversations", people: "Search people", chats: "Search chats", teams: "Search teams" };

export class Sidebar {
  /** `states` of people; `open` is called with a conversation's id, or a person's. */
  constructor(root, states, open) {
    this.open = open;
    this.current = null;
    this.turn = 0;
    this.tab = "recent";
    this.search = h("input", {
      type: "search", id: "search", placeholder: "Search", "aria-label": "Search", autocomplete: "off", spellcheck: "false",
    });
    this.state = h("select", { "aria-label": "State", id: "state-filter" },
      h("option", { value: "" }, "any state"),
      states.map((state) => h("option", { value: state }, stateName(state))));
    this.list = h("ul", { class: "list", id: "list" });
    this.more = button("Show more", () => this.load(true), { class: "quiet more", hidden: true });
    this.note = h("p", { class: "note", role: "status" });
    this.tabs = tabs("Places", { recent: "Recent", people: "People", chats: "Chats", teams: "Teams" }, (name) => this.choose(name));
    this.tabs.panel.append(h("div", { class: "search" }, this.search, this.state), this.list, this.more, this.note);
    root.append(this.tabs.bar, this.tabs.panel);
    roving(this.list, ITEM);
    let waiting;
    this.search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.load(), QUIET);
    });
    this.search.addEventListener("keydown", (event) => this.fromSearch(event));
    this.state.addEventListener("change", () => this.load());
    this.tabs.choose("recent");
  }

  async fromSearch(event) {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      this.list.querySelector(ITEM)?.focus();
    } else if (event.key === "Enter") {
      event.preventDefault();
      await this.load();
      this.list.querySelector(ITEM)?.click();
    } else if (event.key === "Escape" && this.search.value) {
      this.search.value = "";
      this.load();
    }
  }

  choose(name) {
    this.tab = name;
    this.state.hidden = name !== "people";
    this.search.placeholder = PLACEHOLDERS[name];
    this.search.setAttribute("aria-label", this.search.placeholder);
    this.load();
  }

  /** Reads the first page of what the tab shows, or the next one. */
  async load(more = false) {
    const turn = ++this.turn;
    const asked = { q: this.search.value.trim(), limit: PAGE, after: more ? this.next : undefined };
    const url = {
      recent: () => path(["conversations"], asked),
      people: () => path(["people"], { ...asked, state: this.state.value }),
      chats: () => path(["conversations"], { ...asked, kind: "groupChat,meeting" }),
      teams: () => path(["conversations"], { ...asked, kind: "channel" }),
    }[this.tab]();
    let page;
    try {
      page = await get(url);
    } catch (error) {
      if (turn === this.turn) this.note.textContent = error.message;
      return;
    }
    if (turn !== this.turn) return;
    this.next = page.next;
    if (!more) this.team = null;
    const rows = page.items.flatMap((item) => this.rows(item));
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    if (more) this.list.append(...rows);
    else this.list.replaceChildren(...rows);
    this.more.hidden = !page.next;
    const empty = this.list.children.length === 0;
    this.note.textContent = empty ? (asked.q ? "Nothing found." : this.tab === "recent" ? "Nothing was said yet." : "There is nothing.") : "";
    this.mark(this.current);
    if (focused) this.list.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  }

  /** Reads the list again, unless the person went on to further pages. */
  refresh() {
    if (this.list.querySelectorAll(ITEM).length <= PAGE) this.load();
  }

  rows(item) {
    if (this.tab === "people") return [this.row(item.id, item.name, [item.department, badge(item.state)], avatar(item.name))];
    if (this.tab === "teams") {
      const rows = [this.row(item.id, item.channel.name, counted(item), h("span", { class: "hash", "aria-hidden": "true" }, "#"),
        item.channel.kind === "standard" ? null : h("span", { class: "chip" }, item.channel.kind))];
      if (this.team !== item.team.id) {
        this.team = item.team.id;
        rows.unshift(h("li", { class: "heading" }, h("span", {}, item.team.name), teamChips(item.team)));
      }
      return rows;
    }
    const sign = avatar(item.name, item.kind === "personal" ? "person" : "group");
    const chip = item.person ? badge(item.person.state) : item.installed ? h("span", { class: "chip good" }, "app") : null;
    return [this.row(item.person?.id ?? item.id, item.name, [counted(item), chip], sign, item.last_at ? time(item.last_at, true) : null)];
  }

  row(id, name, below, ...signs) {
    const [first, ...others] = signs;
    return h("li", {}, h("button", { type: "button", class: "item", "data-id": id, tabindex: "-1", on: { click: () => this.open(id) } },
      first, h("span", { class: "names" }, h("span", { class: "name" }, name), h("span", { class: "below" }, below)), others));
  }

  /** Shows which conversation is open. */
  mark(id) {
    this.current = id;
    let open = null;
    for (const item of this.list.querySelectorAll(ITEM)) {
      const here = item.dataset.id === id;
      if (here) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
      if (here) open = item;
    }
    settle(this.list, ITEM, this.list.contains(document.activeElement) ? undefined : open ?? undefined);
  }
}

const teamChips = (team) => [
  team.state === "active" ? null : h("span", { class: "chip warn" }, team.state), team.installed ? h("span", { class: "chip good" }, "app") : null,
];
const badge = (state) => (state === "installed" ? null : stateChip(state));
const counted = (item) => (item.messages === 1 ? "1 message" : `${number(item.messages)} messages`);
