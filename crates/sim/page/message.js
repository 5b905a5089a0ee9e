// One message: who, when, text, cards, reactions, and what the person in front of the page can do with it.

import { ADAPTIVE, renderAttachment, renderText } from "./cards.js";
import { avatar, button, h, json, time } from "./dom.js";

export const REACTIONS = { like: "👍", heart: "❤️", laugh: "😆", surprised: "😮", sad: "😢", angry: "😠" };

/** What came of a click on a card, in words. */
export const SHOWN = {
  card: "The card was replaced.", message: "The bot says:", error: "Something went wrong.", login: "The bot asks to sign in.",
  retry: "The bot asks to try again later.", nothing: "The bot took it.", invalid: "Teams would show an error: the answer is not valid.",
};

/** What a message says in one line, for those who hear it. */
export function summary(message) {
  const activity = message.activity ?? {};
  if (message.deleted) return "deleted message";
  return activity.text || activity.summary || (activity.attachments?.length ? "a card" : activity.type ?? "a long message");
}

/** A targeted message is seen by one member alone. */
export const targetedAtOther = (message, context) => Boolean(message.targeted) && message.targeted !== context.actor?.id;

/** The sender's name as the page shows it. */
export function sender(message, context) {
  return message.sender?.name ?? (message.from === "bot" ? context.botName(message.app_id) : "Somebody");
}

/**
 * `context`: botName(app_id), personName(id), actor (the person in front of the page, or null), and what a click does:
 * act, say, react, edit, remove, restore, refresh.
 */
export function renderMessage(message, context) {
  const activity = message.activity ?? {};
  const name = sender(message, context);
  const own = message.from === "person" && context.actor !== null && message.sender?.id === context.actor.id;
  const article = h("article", {
    class: `message ${message.from} ${own ? "own" : ""}`, tabindex: "-1", "data-id": message.id, "aria-label": `${name}: ${targetedAtOther(message, context) ? "a message for somebody else" : summary(message)}`,
  });
  if (activity.type && activity.type !== "message") {
    article.classList.add("event");
    article.append(h("p", { class: "note" }, `${name}: ${activity.type}${activity.name ? ` ${activity.name}` : ""} `, time(message.at)));
    return article;
  }
  const bubble = h("div", { class: "bubble" });
  const hidden = targetedAtOther(message, context);
  if (message.deleted) bubble.append(h("p", { class: "note" }, "This message was deleted."));
  else if (hidden) bubble.append(h("p", { class: "note" }, `Only ${context.personName(message.targeted)} sees this message.`));
  else bubble.append(...content(message, context, name));
  const marks = [
    message.targeted && !hidden ? h("span", { class: "chip" }, "only you see this") : null,
    message.edits > 0 && !message.deleted ? h("span", {}, message.edits === 1 ? "edited" : `edited ${message.edits} times`) : null,
    message.answer_lost ? h("span", { class: "chip warn", title: "Taken, but the bot was not told" }, "answer lost") : null,
  ].filter(Boolean);
  article.append(
    avatar(name, message.from === "bot" ? "bot" : "person"),
    h("div", { class: "body" },
      h("p", { class: "who" }, h("span", { class: "name" }, name), time(message.at), marks),
      bubble, reactions(message, context), outcome(message, context)),
    toolbar(message, context, own, article));
  return article;
}

function content(message, context, name) {
  const activity = message.activity;
  if (activity === null || activity === undefined) {
    return [h("p", { class: "note" }, "Only the beginning of this message was kept."), h("pre", { class: "json" }, message.beginning ?? "")];
  }
  const parts = [];
  if (activity.text) parts.push(renderText(activity.text, message.from === "person" ? "plain" : activity.textFormat));
  const seen = context.actor === null ? undefined : message.people?.seen?.[context.actor.id];
  for (const one of activity.attachments ?? []) {
    // An answer of the bot replaced the card, for this person alone.
    const attachment = seen && one.contentType === ADAPTIVE ? { ...one, content: seen } : one;
    // Teams adds what a person wrote once more as HTML.
    if (attachment.contentType === "text/html") continue;
    parts.push(renderAttachment(attachment, {
      label: `Card of ${name}`, act: (action, inputs) => context.act(message, action, inputs), say: context.say,
    }));
  }
  const suggested = activity.suggestedActions?.actions ?? [];
  if (suggested.length > 0) {
    parts.push(h("div", { class: "row" }, suggested.map((one) => button(one.title ?? one.value, () => context.say(String(one.value ?? one.title)), { class: "pill" }))));
  }
  if (parts.length === 0) parts.push(h("p", { class: "note" }, "(nothing that is shown)"));
  return parts;
}

/** Of people, and (kinds alone) of bots. */
function reactions(message, context) {
  const counts = new Map();
  const all = [...(message.people?.reactions ?? []), ...(message.reactions ?? []).map((type) => ({ type, person: null }))];
  for (const { type, person } of all) {
    const known = counts.get(type) ?? { count: 0, mine: false };
    known.count += 1;
    known.mine ||= context.actor !== null && person === context.actor.id;
    counts.set(type, known);
  }
  if (counts.size === 0) return null;
  return h("div", { class: "reactions", role: "group", "aria-label": "Reactions" }, [...counts].map(([type, { count, mine }]) =>
    h("button", {
      type: "button", class: "pill", "aria-pressed": String(mine), "aria-label": `${type}, ${count}`, disabled: context.actor === null,
      on: { click: () => context.react(message, type, mine) },
    }, REACTIONS[type] ?? type, ` ${count}`)));
}

/** What came of the acting person's last click. */
function outcome(message, context) {
  const click = (message.people?.clicks ?? []).findLast((one) => one.person === context.actor?.id);
  const line = h("p", { class: `outcome ${click ? shownKind(click.shown) : ""}`, role: "status" });
  if (click) line.append([SHOWN[click.shown] ?? click.shown, click.text].filter(Boolean).join(" "));
  return line;
}

export const shownKind = (shown) => (["card", "message", "nothing"].includes(shown) ? "good" : "bad");

const mine = (message, context, type) => (message.people?.reactions ?? []).some((one) => one.type === type && one.person === context.actor.id);

function toolbar(message, context, own, article) {
  const raw = () => {
    const shown = article.querySelector(":scope > .body > details.raw");
    if (shown) return shown.remove();
    const details = json("Activity", message.activity ?? message.beginning ?? null, true);
    details.classList.add("raw");
    return article.querySelector(".body").append(details);
  };
  const tools = [];
  if (context.actor !== null && !message.deleted) {
    tools.push(...Object.entries(REACTIONS).map(([type, sign]) =>
      button(sign, () => context.react(message, type, mine(message, context, type)), { "aria-label": `React: ${type}`, title: type })));
  }
  if (own && !message.deleted) {
    tools.push(button("Edit", () => context.edit(message)), button("Delete", () => context.remove(message)));
  }
  if (own && message.deleted) tools.push(button("Undo", () => context.restore(message)));
  const refresh = message.activity?.attachments?.map((one) => one.content?.refresh?.action).find(Boolean);
  if (refresh && context.actor !== null && !message.deleted) {
    tools.push(button("Refresh", () => context.refresh(message, refresh), { title: "As Teams does when the card comes into view" }));
  }
  tools.push(button("JSON", raw, { title: "The activity as it was sent" }));
  return h("div", { class: "tools", role: "toolbar", "aria-label": "Message" }, tools);
}

/** Tells below a message what came of a click. */
export function tell(article, text, kind) {
  const line = article?.querySelector(".outcome");
  if (!line) return;
  line.className = `outcome ${kind}`;
  line.textContent = text;
}
