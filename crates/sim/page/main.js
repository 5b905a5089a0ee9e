// Puts the parts together: which conversation is open (the address tells), reading anew every second, dialogs, F6.

import { get, onKeyNeeded } from "./api.js";
import { prepare } from "./cards.js";
import { Chat } from "./chat.js";
import { byId, number } from "./dom.js";
import { Inspector } from "./inspector.js";
import { Sidebar } from "./sidebar.js";

/** Milliseconds between two looks at the simulator, and between two readings of the list: in a broadcast it changes always. */
const EVERY = 1000;
const LIST_EVERY = 2000;

let bots = [];
let chat;
let sidebar;
let inspector;
let said = null;
/** Whether the list on the left tells old things, and when it was read. */
let old = false;
let listed = 0;

async function start() {
  dialogs();
  panes();
  await prepare();
  const info = await patiently(() => get("info"));
  byId("about-text").textContent = `Nuncio ${info.version}, tenant ${info.tenant_id}, service URL ${info.service_url}`;
  bots = (await patiently(() => get("bots"))).items;
  const states = Object.keys((await patiently(() => get("counts"))).people);
  chat = new Chat(byId("chat"), { bots: () => bots, states, changed: () => look() });
  inspector = new Inspector(byId("inspector"), { conversation: () => chat.id ?? null, bots: () => bots });
  sidebar = new Sidebar(byId("sidebar"), states, (id) => { location.hash = encodeURIComponent(id); });
  addEventListener("hashchange", follow);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chat.id && chat.open(chat.id));
  await follow();
  again();
}

/** Opens what the address names. */
async function follow() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (!id || id === chat.id || id === "log") return;
  try {
    await chat.open(id);
    trouble(null);
    sidebar.mark(id);
    document.title = `${chat.place.name} - Simulator`;
    inspector.fill();
    byId("say").focus();
  } catch (error) {
    trouble(error.message);
  }
}

async function again() {
  if (!document.hidden) await look();
  setTimeout(again, EVERY);
}

/** Looks at the simulator: counts, the open conversation, the details, and the list when something was said. */
async function look() {
  try {
    const counts = await get("counts");
    byId("glance").textContent = `${number(counts.people_total)} people, ${number(counts.accepted)} messages`;
    const now = `${counts.accepted} ${counts.other_activities} ${counts.events.attempts} ${JSON.stringify(counts.people)}`;
    if (now !== said) {
      old = said !== null;
      bots = (await get("bots")).items;
      said = now;
    }
    if (old && performance.now() - listed > LIST_EVERY) {
      sidebar.refresh();
      old = false;
      listed = performance.now();
    }
    await Promise.all([chat.refresh(), inspector.refresh()]);
    trouble(null);
  } catch (error) {
    trouble(error.message);
  }
}

/** Tries until the simulator answers. */
async function patiently(work) {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      trouble(error.message);
      await new Promise((resolve) => { setTimeout(resolve, EVERY); });
    }
  }
}

function trouble(text) {
  const line = byId("trouble");
  if (line.textContent !== (text ?? "")) line.textContent = text ?? "";
  line.hidden = !text;
}

function dialogs() {
  onKeyNeeded((wrong) => new Promise((resolve) => {
    const dialog = byId("dialog-key");
    byId("key-wrong").hidden = !wrong;
    byId("key").value = "";
    dialog.addEventListener("close", () => resolve(byId("key").value), { once: true });
    dialog.showModal();
  }));
  byId("help").addEventListener("click", () => byId("dialog-help").showModal());
  byId("about").addEventListener("click", async () => {
    byId("dialog-about").showModal();
    const licences = byId("licences");
    if (!licences.textContent) licences.textContent = (await (await fetch("/sim/page/lib/licences.txt")).text()) || "The libraries are not part of this build.";
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    pane("chat");
  });
}

/** Where F6 goes in each part. */
const PANES = {
  sidebar: () => byId("search"),
  log: () => document.querySelector("#log article[tabindex='0']"),
  chat: () => byId("say"),
  inspector: () => document.querySelector("#inspector [role=tab][tabindex='0']"),
};

function pane(name) {
  const target = PANES[name]();
  if (!target || target.offsetParent === null) return false;
  target.focus();
  return true;
}

function panes() {
  const details = byId("details");
  details.addEventListener("click", () => {
    const open = document.body.classList.toggle("details");
    details.setAttribute("aria-expanded", String(open));
    if (open) pane("inspector");
  });
  byId("inspector").addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !document.body.classList.contains("details")) return;
    details.click();
    details.focus();
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "F6" || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    const names = Object.keys(PANES);
    const here = names.findIndex((name) => byId(name)?.contains(document.activeElement));
    const step = event.shiftKey ? -1 : 1;
    const at = here === -1 ? (event.shiftKey ? 0 : -1) : here;
    for (let tries = 1; tries <= names.length; tries += 1) {
      if (pane(names[(at + step * tries + names.length * 2) % names.length])) return;
    }
  });
}

await start();
