// Cards: Adaptive Cards with Microsoft's library, hero and thumbnail cards by hand, anything else as JSON.
// Markdown of cards and messages goes through markdown-it with HTML off, so that what a bot writes is never markup.

import { button, h, json } from "./dom.js";

export const ADAPTIVE = "application/vnd.microsoft.card.adaptive";
const SIMPLE = ["application/vnd.microsoft.card.hero", "application/vnd.microsoft.card.thumbnail"];
const MOST_BUTTONS = 6;

let markdown = null;
const library = () => globalThis.AdaptiveCards;

/** Loads what was embedded. Without the libraries the page shows plain text and JSON. */
export async function prepare() {
  const { default: MarkdownIt } = await import("/sim/page/lib/markdown-it.mjs");
  if (MarkdownIt) {
    markdown = new MarkdownIt({ html: false, linkify: true, breaks: true }).disable("image");
    const usual = markdown.renderer.rules.link_open ?? ((tokens, at, options, env, self) => self.renderToken(tokens, at, options));
    markdown.renderer.rules.link_open = (tokens, at, options, env, self) => {
      tokens[at].attrSet("target", "_blank");
      tokens[at].attrSet("rel", "noopener noreferrer");
      return usual(tokens, at, options, env, self);
    };
  }
  if (library()) {
    library().AdaptiveCard.onProcessMarkdown = (text, result) => {
      if (!markdown) return;
      result.outputHtml = html(text);
      result.didProcess = true;
    };
  }
}

/** Markup of markdown-it, in which all HTML of the text is escaped. Mentions come out of it escaped and are put in here. */
function html(text) {
  return markdown.render(text).replace(/&lt;at&gt;([^<]*?)&lt;\/at&gt;/g, '<span class="mention">$1</span>');
}

/** The text of a message, as its `textFormat` says. */
export function renderText(text, format) {
  const body = h("div", { class: "text" });
  if (markdown && (format ?? "markdown") === "markdown") body.innerHTML = html(text);
  else {
    body.classList.add("plain");
    // A person's mention of the bot is a tag inside plain text.
    for (const [at, part] of text.split(/<at>(.*?)<\/at>/).entries()) {
      body.append(at % 2 === 1 ? h("span", { class: "mention" }, part) : part);
    }
  }
  return body;
}

/** One attachment. `act(action, inputs)` tells the bot of a click, `say(text)` writes for the person. */
export function renderAttachment(attachment, { act, say, label }) {
  if (attachment.contentType === ADAPTIVE) {
    if (library()) return adaptive(attachment.content, act, label);
    return h("div", { class: "card" }, h("p", { class: "note" }, "This card is shown as JSON: run tools/prepare.sh, which gets the library that draws it, and build again."),
      json("Card", attachment.content, true));
  }
  if (SIMPLE.includes(attachment.contentType)) return simple(attachment.content ?? {}, act, say);
  return json(attachment.name ?? attachment.contentType ?? "Attachment", attachment);
}

function adaptive(content, act, label) {
  const { AdaptiveCard, HostConfig } = library();
  const frame = h("div", { class: content?.msteams?.width === "Full" ? "card full" : "card", role: "group", "aria-label": label });
  try {
    const card = new AdaptiveCard();
    card.hostConfig = new HostConfig(hostConfig());
    card.onExecuteAction = (action) => executed(card, action, act, frame);
    card.onAnchorClicked = (element, anchor) => opened(anchor.href);
    card.parse(withoutForeignPictures(structuredClone(content)));
    const element = card.render();
    if (!element) throw new Error("the library draws nothing");
    // The message around it is where the keys stop; the card would be one more stop without a use.
    element.removeAttribute("tabindex");
    frame.append(element);
  } catch (error) {
    frame.replaceChildren(h("p", { class: "trouble" }, `This card cannot be drawn: ${error.message}`), json("Card", content, true));
  }
  return frame;
}

function executed(card, action, act, frame) {
  const raw = action.toJSON() ?? {};
  if (raw.type === "Action.OpenUrl") return opened(action.url);
  if (raw.type !== "Action.Execute" && raw.type !== "Action.Submit") return undefined;
  const inputs = {};
  if (!String(action.associatedInputs).toLowerCase().startsWith("none")) {
    for (const input of card.getAllInputs()) if (input.id && input.isSet()) inputs[input.id] = String(input.value);
  }
  const sent = { type: raw.type };
  for (const field of ["id", "verb", "data"]) if (raw[field] !== undefined) sent[field] = raw[field];
  return working(frame, act(sent, inputs));
}

/** Only addresses that a browser may be sent to; true tells the library that this was done. */
function opened(url) {
  if (/^(https?|mailto|tel):/i.test(url ?? "")) globalThis.open(url, "_blank", "noopener,noreferrer");
  return true;
}

async function working(frame, answer) {
  frame.setAttribute("aria-busy", "true");
  try {
    await answer;
  } finally {
    frame.removeAttribute("aria-busy");
  }
}

function simple(content, act, say) {
  const frame = h("div", { class: "card simple" },
    content.title && h("p", { class: "title" }, content.title),
    content.subtitle && h("p", { class: "subtitle" }, content.subtitle),
    content.text && renderText(content.text));
  const buttons = (content.buttons ?? []).slice(0, MOST_BUTTONS).map((one) => {
    const run = {
      openUrl: () => opened(one.value), imBack: () => say(String(one.value ?? one.title)),
      invoke: () => working(frame, act({ type: "invoke", value: one.value }, {})),
    }[one.type];
    return button(one.title ?? one.type, run ?? (() => {}), { disabled: !run, title: run ? null : `${one.type} is not simulated` });
  });
  if (buttons.length > 0) frame.append(h("div", { class: "row" }, buttons));
  return frame;
}

const PLACEHOLDER = "data:image/svg+xml," + encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" width="96" height="64"><rect width="96" height="64" rx="6" fill="#8b95a1" opacity=".25"/>' +
  '<path d="M20 50l18-22 13 14 9-9 16 17z" fill="#8b95a1"/><circle cx="66" cy="20" r="6" fill="#8b95a1"/></svg>');

/** Pictures inside the card stay; one from an address is a sign that tells the address, since nothing is fetched. */
function withoutForeignPictures(value, inImages = false) {
  if (Array.isArray(value)) return value.map((one) => withoutForeignPictures(one, inImages));
  if (value === null || typeof value !== "object") return value;
  const foreign = (url) => typeof url === "string" && !url.startsWith("data:image/");
  if ((value.type === "Image" || inImages) && foreign(value.url)) {
    value.altText = [value.altText, `(picture at ${value.url})`].filter(Boolean).join(" ");
    value.url = PLACEHOLDER;
  }
  if (value.type === "Media") return { type: "TextBlock", isSubtle: true, wrap: true, text: "(media are not played)" };
  if (foreign(value.backgroundImage) || foreign(value.backgroundImage?.url)) delete value.backgroundImage;
  if (foreign(value.iconUrl)) delete value.iconUrl;
  for (const [name, inner] of Object.entries(value)) {
    if (name !== "data") value[name] = withoutForeignPictures(inner, name === "images");
  }
  return value;
}

/** Colours of the page for the library, which wants them as values. */
function hostConfig() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const pair = (name) => ({ default: colour(name), subtle: colour(`${name}-subtle`) || colour(name) });
  const foregroundColors = {
    default: pair("--text"), dark: pair("--text"), light: pair("--muted"), accent: pair("--accent-text"),
    attention: pair("--bad"), good: pair("--good"), warning: pair("--warn"),
  };
  const container = (background) => ({ backgroundColor: colour(background), foregroundColors });
  return {
    fontFamily: "inherit",
    supportsInteractivity: true,
    fontSizes: { small: 12, default: 14, medium: 16, large: 19, extraLarge: 24 },
    fontWeights: { lighter: 300, default: 400, bolder: 600 },
    spacing: { small: 4, default: 8, medium: 12, large: 16, extraLarge: 24, padding: 14 },
    separator: { lineThickness: 1, lineColor: colour("--line") },
    containerStyles: {
      default: container("--card"), emphasis: container("--card-emphasis"), accent: container("--accent-soft"),
      good: container("--good-soft"), attention: container("--bad-soft"), warning: container("--warn-soft"),
    },
    imageSizes: { small: 40, medium: 80, large: 160 },
    actions: {
      maxActions: MOST_BUTTONS, spacing: "default", buttonSpacing: 8, actionsOrientation: "horizontal",
      actionAlignment: "left", showCard: { actionMode: "inline", inlineTopMargin: 12 },
    },
    adaptiveCard: { allowCustomStyle: false },
    factSet: { title: { weight: "bolder", maxWidth: 150 }, spacing: 12 },
    inputs: { label: { inputSpacing: "small", requiredInputs: { suffix: " *" }, optionalInputs: {} } },
  };
}
