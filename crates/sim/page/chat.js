// The middle: one conversation, what can be done to its person or place, and the field to write in.

import { get, patch, path, post } from "./api.js";
import { announce, avatar, button, byId, h, number, present, roving, settle, stateKind, stateName } from "./dom.js";
import { renderMessage, sender, SHOWN, shownKind, summary, targetedAtOther, tell } from "./message.js";

/** How many messages are shown at first, and how many more each time. */
const PAGE = 40;
const MEMBERS = 100;
const MESSAGE = "article.message";

export class Chat {
  /** `changed` is called when something was done that other parts of the page show. */
  constructor(root, { bots, states, changed }) {
    this.root = root;
    this.states = states;
    this.bots = bots;
    this.changed = changed;
    this.actor = null;
    this.header = h("header", { class: "place" });
    this.earlier = button("Earlier messages", () => { this.count += PAGE; this.refresh(); }, { class: "quiet more", hidden: true });
    this.log = h("div", { class: "log", id: "log", role: "region", "aria-label": "Messages", tabindex: "-1" });
    this.field = h("textarea", { id: "say", rows: "1", placeholder: "Write to the bot", "aria-label": "Write to the bot" });
    this.as = h("select", { id: "actor", "aria-label": "Write as" });
    this.to = h("select", { id: "bot", "aria-label": "Write to" });
    this.mention = h("label", { class: "check" }, h("input", { type: "checkbox", id: "mention", checked: true }), "mention the bot");
    this.context = h("p", { class: "context", hidden: true });
    this.send = h("button", { class: "primary" }, "Send");
    this.form = h("form", { class: "composer", "aria-label": "Write" }, this.context,
      h("div", { class: "as" }, h("label", { class: "who-writes" }, "As ", this.as), h("label", { class: "to" }, "To ", this.to), this.mention), h("div", { class: "field" }, this.field, this.send));
    this.empty = h("div", { class: "empty" }, h("h2", {}, "Nobody is open"), h("p", {}, "Choose a person or a conversation on the left to read what arrived and to answer."));
    root.append(this.empty);
    roving(this.log, MESSAGE);
    this.log.addEventListener("keydown", (event) => this.inLog(event));
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
    this.field.addEventListener("keydown", (event) => this.inField(event));
    this.field.addEventListener("input", () => this.grow());
    this.as.addEventListener("change", () => this.actAs(this.people.find((person) => person.id === this.as.value)));
  }

  /** Opens a conversation by its id, or a person's own chat by the person's. */
  async open(id) {
    const place = await get(path(["conversations", id]));
    this.id = id;
    this.place = place;
    this.count = PAGE;
    this.known = new Map();
    this.articles = new Map();
    this.last = null;
    this.doing(null);
    this.log.replaceChildren();
    this.root.replaceChildren(this.header, this.earlier, this.log, this.form);
    this.field.value = "";
    await this.who();
    this.head();
    await this.refresh(true);
  }

  /** Who may be acted as: the person of a chat, else the first members of the place. */
  async who() {
    const members = await get(path(["conversations", this.id, "members"], { limit: MEMBERS }));
    this.people = members.items;
    if (this.actor && !this.place.person && !this.people.some((person) => person.id === this.actor.id)) {
      const found = await get(path(["conversations", this.id, "members"], { q: this.actor.id, limit: 1 }));
      this.people = [...found.items, ...this.people];
    }
    this.as.replaceChildren(...this.people.map((person) => h("option", { value: person.id }, person.name)));
    const before = this.people.find((person) => person.id === this.actor?.id);
    this.actAs(before ?? this.people[0] ?? null, false);
    const personal = this.place.kind === "personal";
    const bots = this.bots();
    this.to.replaceChildren(...bots.map((bot) => h("option", { value: bot.app_id, selected: bot.app_id === this.place.app_id }, bot.name)));
    this.form.querySelector(".to").hidden = !personal;
    this.form.querySelector(".who-writes").hidden = personal;
    this.mention.hidden = personal;
    this.form.querySelector(".as").hidden = personal && bots.length < 2;
    const label = personal ? `Write to the bot as ${this.actor?.name ?? "nobody"}` : "Write a message";
    this.field.placeholder = label;
    this.field.setAttribute("aria-label", label);
  }

  actAs(person, again = true) {
    this.actor = person ?? null;
    if (person) this.as.value = person.id;
    if (again) {
      this.known.clear();
      this.refresh();
    }
  }

  head() {
    const { place } = this;
    const title = (name, below, kind, ...chips) => [avatar(place.name, kind),
      h("div", { class: "names" }, h("h2", {}, name), h("p", { class: "below" }, below, " ", present(chips)))];
    if (place.kind === "personal") {
      const { person } = place;
      const states = h("select", { id: "state", class: `chip ${stateKind(person.state)}`, "aria-label": "State of this person", on: { change: (event) => this.turn(event.target.value) } },
        this.states.map((state) => h("option", { value: state, selected: state === person.state }, stateName(state))));
      const turns = { installed: [["Block", "blocked"], ["Uninstall", "uninstalled"]], blocked: [["Unblock", "installed"], ["Uninstall", "uninstalled"]] };
      const quick = turns[person.state] ?? [["Install", "installed"]];
      this.header.replaceChildren(...title(person.name, person.department ?? "", "person"),
        h("div", { class: "row" }, states, button("Read", () => this.read(), { title: "Reads what is there: a bot that may know gets a receipt" }), quick.map(([text, state]) => button(text, () => this.turn(state))), this.where()));
      return;
    }
    const installed = place.team?.installed ?? place.installed;
    const [name, below] = place.team ? [place.channel.name, place.team.name]
      : [place.name, `${place.kind === "meeting" ? "Meeting, " : ""}${number(place.members)} people`];
    const archived = place.team && place.team.state !== "active";
    this.header.replaceChildren(...title(name, below, "group", installed ? h("span", { class: "chip good" }, "app installed") : null,
      archived ? h("span", { class: "chip warn" }, place.team.state) : null),
    h("div", { class: "row" }, installed ? button("Remove the app", () => this.app("remove")) : button("Install the app here", () => this.app("install"))));
  }

  /** The other places of a person, to go there and act as the same one. */
  where() {
    const places = h("select", { id: "where", "aria-label": "Also in", on: { change: (event) => { location.hash = encodeURIComponent(event.target.value); } } },
      h("option", { value: "" }, "Also in…"));
    get(path(["conversations"], { person: this.place.person.id, limit: MEMBERS })).then((page) => {
      const others = page.items.filter((item) => item.kind !== "personal");
      places.append(...others.map((item) => h("option", { value: item.id }, item.name)));
    }, (error) => this.problem(error.message));
    return places;
  }

  async turn(state) {
    await this.doIt(async () => {
      const answer = await patch(path(["people", this.place.person.id]), { state });
      const chosen = document.activeElement?.id === "state";
      this.place.person.state = answer.person.state;
      this.head();
      // The buttons are others now; the one that was clicked may be gone.
      this.header.querySelector(chosen ? "#state" : ".row button:nth-of-type(2)")?.focus();
      announce(`${this.place.person.name} is now ${stateName(state)}.`);
    });
  }

  async read() {
    await this.doIt(async () => {
      const { delivered } = await this.does("reads", {});
      announce(delivered ? "The bot got a receipt." : "Read; no bot was told.");
    });
  }

  /** `install` or `remove`: the acting person brings the app here, or takes it away. */
  async app(what) {
    await this.doIt(async () => {
      const { team, channel } = this.place;
      const by = this.actor?.id;
      if (team) await post(path(["teams", team.group, what]), { by, ...(what === "install" ? { channel: channel.id } : {}) });
      else await post(path(["chats", this.place.id, what]), { by });
      this.place = await get(path(["conversations", this.id]));
      this.head();
      this.header.querySelector("button")?.focus();
      announce(what === "install" ? "The app was installed here." : "The app was removed.");
    });
  }

  /** Runs something that a person asked for; a refusal is shown and said. */
  async doIt(work) {
    this.problem(null);
    try {
      await work();
    } catch (error) {
      this.problem(error.message);
    }
    this.changed();
    await this.refresh();
  }

  problem(text) {
    this.form.querySelector(".trouble")?.remove();
    if (text) this.form.prepend(h("p", { class: "trouble", role: "alert" }, text));
  }

  /** Reads the conversation and redraws what changed. */
  async refresh(first = false) {
    const { id } = this;
    if (!id) return;
    const query = { last: this.count };
    const [place, page] = await Promise.all([
      get(path(["conversations", id])), get(path(["conversations", id, "messages"], query)),
    ]);
    if (id !== this.id) return;
    const shown = (one) => JSON.stringify([one.person, one.team, one.channel, one.name, one.members, one.installed]);
    if (shown(place) !== shown(this.place)) {
      this.place = place;
      this.head();
    }
    this.earlier.hidden = !page.earlier;
    this.draw(page.items, first);
  }

  draw(items, first) {
    const atEnd = first || this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 80;
    const context = this.messageContext();
    const ids = new Set(items.map((item) => item.id));
    for (const [id, article] of this.articles) {
      if (!ids.has(id)) {
        article.remove();
        this.articles.delete(id);
        this.known.delete(id);
      }
    }
    for (const item of items) {
      const text = JSON.stringify(item);
      if (this.known.get(item.id) === text) continue;
      this.known.set(item.id, text);
      this.put(item, renderMessage(item, context));
      if (!first && item.from === "bot" && !targetedAtOther(item, context) && (this.last === null || item.id > this.last)) announce(`${sender(item, context)}: ${summary(item)}`);
    }
    if (items.length > 0) this.last = items[items.length - 1].id;
    else if (!this.log.firstChild) this.log.append(h("p", { class: "note none" }, "Nothing was said here yet."));
    if (items.length > 0) this.log.querySelector(".none")?.remove();
    settle(this.log, MESSAGE, this.log.contains(document.activeElement) ? undefined : [...this.log.querySelectorAll(MESSAGE)].pop());
    if (atEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  /** Puts a message where it belongs: in its thread in a channel, else at its place in time. */
  put(item, article) {
    const old = this.articles.get(item.id);
    this.articles.set(item.id, article);
    if (old) {
      const outcome = old.querySelector(".outcome");
      if (outcome?.textContent) article.querySelector(".outcome")?.replaceWith(outcome);
      const focused = old.contains(document.activeElement);
      article.tabIndex = old.tabIndex;
      old.replaceWith(article);
      if (focused) article.focus();
      return;
    }
    if (this.place.kind !== "channel") {
      before(this.log, article, ":scope > article");
      return;
    }
    const root = item.reply_to ?? item.id;
    let thread = this.log.querySelector(`:scope > section[data-id="${CSS.escape(root)}"]`);
    if (!thread) {
      thread = h("section", { class: "thread", "data-id": root, "aria-label": "Thread" }, h("div", { class: "replies" }),
        button("Reply", () => { this.doing({ kind: "reply", root }); this.field.focus(); }, { class: "quiet reply" }));
      before(this.log, thread, ":scope > section");
    }
    if (root === item.id) thread.prepend(article);
    else before(thread.querySelector(".replies"), article, ":scope > article");
  }

  messageContext() {
    return {
      actor: this.actor,
      botName: (app) => this.bots().find((bot) => bot.app_id === app)?.name ?? "Bot",
      personName: (id) => this.people.find((person) => person.id === id)?.name ?? "another person",
      act: (message, action, inputs) => this.act(message, action, inputs),
      refresh: (message, action) => this.act(message, action, {}, { trigger: "automatic" }),
      say: (text) => this.doIt(() => this.says(text)),
      react: (message, type, removed) => this.doIt(() => this.does("reacts", { message: message.id, type, ...(removed ? { removed } : {}) })),
      edit: (message) => { this.doing({ kind: "edit", message }); this.field.value = message.activity.text ?? ""; this.grow(); this.field.focus(); },
      remove: (message) => this.doIt(() => this.does("deletes", { message: message.id })),
      restore: (message) => this.doIt(() => this.does("undeletes", { message: message.id })),
    };
  }

  /** Something that the acting person does in this conversation. */
  does(what, order) {
    return post(path(["people", this.actor.id, what]), { conversation: this.place.id, ...order });
  }

  async says(text, root) {
    const personal = this.place.kind === "personal";
    const order = { text };
    if (personal) order.app_id = this.to.value || undefined;
    else {
      order.conversation = root ? `${this.place.id};messageid=${root}` : this.place.id;
      order.mention = this.mention.querySelector("input").checked;
    }
    return post(path(["people", this.actor.id, "says"]), order);
  }

  async act(message, action, inputs, more = {}) {
    const article = () => this.articles.get(message.id);
    tell(article(), "…", "");
    try {
      const answer = await this.does("acts", { conversation: message.conversation_id, message: message.id, action, inputs, ...more });
      const text = [SHOWN[answer.shown] ?? answer.shown, answer.text, answer.problem, `(${answer.status ?? "no answer"}, ${answer.took_ms} ms)`];
      await this.refresh();
      tell(article(), text.filter(Boolean).join(" "), shownKind(answer.shown));
    } catch (error) {
      tell(article(), error.message, "bad");
    }
    this.changed();
  }

  /** What the field is for: an edit, a reply in a thread, or (null) a message. */
  doing(what) {
    this.what = what;
    this.context.hidden = what === null;
    this.context.replaceChildren(what === null ? "" : what.kind === "edit" ? "Editing a message " : "Replying in a thread ",
      button("Give up", () => { this.field.value = ""; this.doing(null); this.field.focus(); }, { class: "quiet" }));
  }

  async submit() {
    const text = this.field.value.trim();
    if (!text || !this.actor || this.sending) return;
    this.sending = true;
    const { what } = this;
    await this.doIt(async () => {
      if (what?.kind === "edit") await this.does("edits", { message: what.message.id, text });
      else await this.says(text, what?.root);
      this.field.value = "";
      this.grow();
      if (what?.kind === "edit") this.doing(null);
    });
    this.sending = false;
    this.log.scrollTop = this.log.scrollHeight;
  }

  inField(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Escape" && this.what) {
      this.field.value = "";
      this.doing(null);
    } else if (event.key === "ArrowUp" && this.field.value === "" && !this.what) {
      event.preventDefault();
      [...this.log.querySelectorAll(MESSAGE)].pop()?.focus();
    }
  }

  inLog(event) {
    const article = event.target.closest(MESSAGE);
    if (!article) return;
    if (event.key === "Enter" && event.target === article) {
      event.preventDefault();
      article.querySelector(".body button, .body input, .body select, .body textarea, .body a[href], .body [tabindex='0'], .tools button")?.focus();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (event.target === article) byId("say").focus();
      else article.focus();
    }
  }

  grow() {
    this.field.rows = Math.min(8, this.field.value.split("\n").length);
  }
}

/** Ids are times: inserts before the first element with a later one. */
function before(parent, element, selector) {
  const later = [...parent.querySelectorAll(selector)].find((other) => Number(other.dataset.id) > Number(element.dataset.id));
  if (later) later.before(element);
  else parent.append(element);
}
