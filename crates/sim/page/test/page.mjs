// What a person does at /sim, by keyboard and mouse, in Chromium.
// node page.mjs BASE BASE_WITH_KEY KEY FOLDER_FOR_PICTURES

import { strict as assert } from "node:assert";
import { join } from "node:path";
import { Bot, card } from "./bot.mjs";
import { launch, until, Watched } from "./browser.mjs";

const [base, locked, key, pictures] = process.argv.slice(2);
const EVIL = "<img src=x onerror=document.title='run'> Mallory";

const bot = new Bot(base);
await bot.control("POST", "reset", {
  people: 200, teams: 2, chats: 0,
  person: [
    { name: "Ines Moreau", upn: "ines.moreau@contoso.example", department: "Operations" },
    { name: "Amara Okafor", upn: "amara.okafor@contoso.example", department: "Customer Care" },
    { name: EVIL, upn: "mallory@contoso.example" },
  ],
  chat: [{ name: "Night shift", members: ["ines.moreau@contoso.example", "mallory@contoso.example"], installed: true }],
});
await bot.start();
const [ines] = (await bot.control("GET", "people?q=ines.moreau")).items;
const [mallory] = (await bot.control("GET", "people?q=mallory")).items;
const browser = await launch();
const told = (event) => until(() => bot.received.find(event), "the bot is told");

const steps = {
  async "finds a person by keyboard and reads a card"() {
    await bot.send(ines.conversation_id, { text: "Good morning. The night was **quiet**:\n\n- no alarms\n- one pump replaced" });
    await bot.send(ines.conversation_id, { attachments: [card("Pump P-117 raises an alarm")] });
    await page.getByRole("tab", { name: "Recent" }).focus();
    await page.keyboard.press("ArrowRight");
    await page.getByRole("listitem").getByRole("button").nth(20).waitFor();
    await page.keyboard.press("F6");
    await page.keyboard.press("Shift+F6");
    await focused("#search");
    await page.keyboard.type("ines mor");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: /Ines Moreau/ }).waitFor();
    await page.locator(".ac-adaptiveCard").getByText("Pump P-117 raises an alarm").waitFor();
    await focused("#say");
    assert.equal(await page.locator(".message strong").first().innerText(), "quiet");
    assert.equal(await page.locator(".ac-adaptiveCard strong").first().innerText(), "hall 3");
    assert.equal(await page.locator(".message li").count(), 2);
  },

  async "clicks the card's button and sees the answer in its place"() {
    const message = page.locator(".message").last();
    await page.getByLabel("Comment").fill("Valve 3 <b>drips</b>");
    await page.getByLabel("Shift").selectOption("night");
    await page.getByRole("button", { name: "I take it" }).click();
    await message.getByText("Alarm taken").waitFor();
    await message.getByText("Comment: Valve 3 <b>drips</b>").waitFor();
    assert.equal(await page.getByRole("button", { name: "I take it" }).count(), 0);
    await message.locator(".outcome.good").getByText(/replaced.*\(200, \d+ ms\)/).waitFor();
    const { action, trigger } = (await told((one) => one.type === "invoke")).value;
    assert.deepEqual([action.verb, action.data, trigger], ["take", { pump: "P-117", comment: "Valve 3 <b>drips</b>", shift: "night" }, "manual"]);
    const entry = page.locator("#inspector .entry").filter({ hasText: "invoke adaptiveCard/action" });
    await entry.locator("summary").first().getByText("200").waitFor();
    await entry.locator("summary").first().click();
    await entry.locator("pre").first().getByText('"verb": "take"').waitFor();
    // The card was replaced for this person, and still is for whoever comes later.
    await page.reload();
    await page.locator("#chat").getByText("Alarm taken").waitFor();
  },

  async "does the same by keyboard, and is told when the bot refuses"() {
    await bot.send(ines.conversation_id, { attachments: [card("Pump P-118 raises an alarm")] });
    await page.getByText("Pump P-118 raises an alarm").waitFor();
    await page.locator("#say").focus();
    await page.keyboard.press("ArrowUp");
    await focused(".message:last-child");
    await page.keyboard.press("Home");
    await focused(".message:first-child");
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    await focused(".ac-adaptiveCard a");
    const stops = [];
    for (let stop = 0; stop < 4; stop += 1) {
      await page.keyboard.press("Tab");
      stops.push(await page.evaluate(() => document.activeElement.labels?.[0]?.innerText || document.activeElement.innerText));
    }
    assert.deepEqual(stops, ["Comment", "Shift", "I take it", "Refuse"]);
    await page.keyboard.press("Enter");
    await page.locator(".message").last().locator(".outcome.bad").getByText(/Something went wrong.*The pump does not answer/).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await focused("#say");
  },

  async "writes to the bot, edits, deletes, reacts"() {
    await page.locator("#say").focus();
    await page.keyboard.type("Is the valve open?");
    await page.keyboard.press("Enter");
    await page.locator(".message.bot").getByText("You wrote: Is the valve open?").waitFor();
    await until(async () => (await page.locator("#live").textContent()).includes("You wrote"), "the answer is announced");
    assert.equal(await page.locator("#say").inputValue(), "");
    const own = page.locator(".message.own").last();
    await own.hover();
    await own.getByRole("button", { name: "Edit" }).click();
    assert.equal(await page.locator("#say").inputValue(), "Is the valve open?");
    await page.keyboard.press("End");
    await page.keyboard.type(" Really?");
    await page.keyboard.press("Enter");
    await own.getByText("edited").waitFor();
    await told((one) => one.type === "messageUpdate" && one.text.endsWith("Really?"));
    await own.hover();
    await own.getByRole("button", { name: "Delete" }).click();
    await own.getByText("This message was deleted.").waitFor();
    await told((one) => one.type === "messageDelete");
    const answer = page.locator(".message.bot").last();
    await answer.hover();
    await answer.getByRole("button", { name: "React: heart" }).click();
    await answer.getByRole("button", { name: "heart, 1" }).waitFor();
    await told((one) => one.type === "messageReaction" && one.reactionsAdded?.[0].type === "heart");
    await answer.getByRole("button", { name: "heart, 1" }).click();
    await answer.getByRole("button", { name: "heart, 1" }).waitFor({ state: "detached" });
  },

  async "blocks and unblocks"() {
    await page.getByRole("button", { name: "Block", exact: true }).click();
    await until(async () => (await page.getByLabel("State of this person").inputValue()) === "blocked", "the state is shown");
    assert.equal((await bot.control("GET", `people/${ines.id}`)).state, "blocked");
    await assert.rejects(bot.send(ines.conversation_id, { text: "are you there?" }), /403.*blocked/is);
    await page.getByRole("tab", { name: "Journal" }).click();
    await page.locator("#inspector .entry summary").first().getByText("403").waitFor();
    await page.getByRole("button", { name: "Unblock" }).focus();
    await page.keyboard.press("Enter");
    await until(async () => (await page.getByLabel("State of this person").inputValue()) === "installed", "the state is shown");
    await bot.send(ines.conversation_id, { text: "welcome back" });
    await page.locator(".message").getByText("welcome back").waitFor();
  },

  async "shows counts, limits and faults"() {
    await page.getByRole("tab", { name: "Counts" }).click();
    await page.locator("#inspector").getByText("messages taken").waitFor();
    await bot.control("POST", "faults", { match: { op: "send", probability: 0 }, do: { status: 503 } });
    await page.getByRole("tab", { name: "Limits" }).click();
    await page.getByText("Fault 1: 0 hits").waitFor();
    await page.getByRole("button", { name: "Remove fault 1" }).click();
    await page.getByText("None: every request is answered as Microsoft would.").waitFor();
    await page.getByLabel("Microsoft's limits are enforced").uncheck();
    await until(async () => !(await bot.control("GET", "settings")).limits, "limits are off");
  },

  async "keeps what a name or a bot brings from being markup"() {
    const chat = mallory.conversation_id;
    const evil = "<script>document.title='run'</script> <img src=x onerror=\"document.title='run'\"> [x](javascript:document.title='run') ![y](https://example.com/y.png)";
    await bot.send(chat, { text: evil });
    await bot.send(chat, { text: evil, textFormat: "xml" });
    await bot.send(chat, { attachments: [{ contentType: "application/vnd.microsoft.card.hero", content: { title: evil, text: evil, buttons: [{ type: "openUrl", title: evil, value: "javascript:document.title='run'" }] } }] });
    await bot.send(chat, { attachments: [{ contentType: "application/vnd.microsoft.card.adaptive", content: { type: "AdaptiveCard", version: "1.5", body: [
      { type: "TextBlock", text: evil, wrap: true }, { type: "Image", url: "https://example.com/pump.png", altText: evil },
    ], actions: [{ type: "Action.OpenUrl", title: evil, url: "javascript:document.title='run'" }] } }] });
    await page.getByRole("tab", { name: "People" }).click();
    await page.locator("#search").fill("mallory");
    await page.locator(".item").getByText(EVIL).click();
    await page.getByRole("heading", { name: "Mallory" }).getByText(EVIL).waitFor();
    await page.locator(".message").nth(3).waitFor();
    await page.locator(".message.bot").getByText("<script>").first().waitFor();
    await page.locator("#say").fill(evil);
    await page.keyboard.press("Enter");
    await page.locator(".message.own").getByText(evil).waitFor();
    await page.locator(".message.bot").getByText(/^You wrote: .*<script>/).waitFor();
    await page.locator(".message .ac-pushButton, .message .card.simple button").first().click();
    const found = await page.evaluate(() => ({
      scripts: document.querySelectorAll("#chat script, #sidebar script, #inspector script").length,
      pictures: [...document.images].map((image) => image.src).filter((src) => !src.startsWith("data:")),
      handlers: document.querySelectorAll("[onerror], [onclick]").length,
      links: [...document.links].map((link) => link.protocol).filter((protocol) => protocol === "javascript:"),
    }));
    assert.deepEqual(found, { scripts: 0, pictures: [], handlers: 0, links: [] });
    assert.doesNotMatch(await page.title(), /^run/);
  },

  async "writes in a group chat as one of its people"() {
    await page.locator("#search").fill("");
    await page.getByRole("tab", { name: "Chats" }).click();
    await page.locator(".item").getByText("Night shift").click();
    await page.getByRole("heading", { name: /Night shift/ }).waitFor();
    await page.getByLabel("Write as").selectOption({ label: EVIL });
    // From a person's own chat one goes to the person's other places, still as that person.
    await page.goto(`${base}/sim#${ines.id}`);
    await page.getByLabel("Also in").selectOption({ label: "Night shift" });
    await page.getByRole("heading", { name: /Night shift/ }).waitFor();
    assert.equal(await page.getByLabel("Write as").inputValue(), ines.id);
    await page.locator("#say").fill("who is on duty?");
    await page.keyboard.press("Enter");
    const group = await told((one) => one.conversation?.conversationType === "groupChat" && one.type === "message");
    assert.match(group.text, /^<at>Dispatch Bot<\/at> who is on duty\?$/);
    await page.locator(".message.own .mention").getByText("Dispatch Bot").waitFor();
    await page.locator(".message.bot").getByText(/^You wrote: .*who is on duty/).waitFor();
    // A targeted message is shown to the one whom it is for.
    const { mri } = await bot.control("GET", `people/${ines.id}`);
    await bot.send(group.conversation.id, { text: "your shift ends at 6", recipient: { id: mri } }, "?isTargetedActivity=true");
    await page.getByText("only you see this").waitFor();
    await page.getByLabel("Write as").selectOption({ label: EVIL });
    await page.getByText("Only Ines Moreau sees this message.").waitFor();
    assert.equal(await page.locator("#chat").getByText("your shift ends at 6").count(), 0);
  },

  async "installs the app in a team and answers in a thread of a channel"() {
    await page.getByRole("tab", { name: "Teams" }).click();
    await page.locator(".item").getByText("General").first().click();
    await page.getByRole("button", { name: "Install the app here" }).click();
    await page.getByText("app installed").waitFor();
    const { channelData: { team } } = await told((one) => one.type === "installationUpdate" && one.conversation.conversationType === "channel");
    const root = await bot.send(team.id, { text: "Maintenance tonight" });
    await bot.send(team.id, { text: "Another thread" });
    await page.locator(".thread").nth(1).waitFor();
    const thread = page.locator(".thread").filter({ hasText: "Maintenance tonight" });
    await thread.getByRole("button", { name: "Reply" }).click();
    await page.keyboard.type("until when?");
    await page.keyboard.press("Enter");
    await thread.locator(".replies .message.own").getByText("until when?").waitFor();
    const reply = await told((one) => one.type === "message" && one.text.endsWith("until when?"));
    assert.match(reply.conversation.id, new RegExp(`;messageid=${root}$`));
    await thread.locator(".replies .message.bot").getByText(/until when/).waitFor();
    assert.equal(await page.locator(".thread").count(), 2);
    await page.getByRole("tab", { name: "Events" }).click();
    await page.locator("#inspector .entry").filter({ hasText: "installationUpdate add" }).waitFor();
    await page.getByRole("button", { name: "Remove the app" }).click();
    await page.getByRole("button", { name: "Install the app here" }).waitFor();
    await told((one) => one.type === "installationUpdate" && one.action === "remove");
    await page.locator("#inspector .entry").filter({ hasText: "installationUpdate remove" }).waitFor();
  },

  async "has its keys, its licences and room on a small window"() {
    await page.getByRole("button", { name: "About" }).click();
    await until(async () => /== adaptivecards ==[^]*MIT[^]*== markdown-it ==/.test(await page.locator("#licences").textContent()), "licences");
    await page.keyboard.press("Escape");
    await page.setViewportSize({ width: 800, height: 700 });
    await page.getByRole("button", { name: "Details" }).click();
    await page.getByRole("tab", { name: "Events" }).waitFor();
    await page.keyboard.press("Escape");
    await until(async () => !(await page.getByRole("tab", { name: "Events" }).isVisible()), "the details are closed");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} pixels too wide`);
  },

  async "asks for the control key and keeps it to itself"() {
    const other = await Watched.open(browser, locked, {}, (text) => text.includes("401"));
    for (const given of ["wrong", key]) {
      await other.page.locator("#key").fill(given);
      await other.page.keyboard.press("Enter");
      if (given !== key) await other.page.getByText("That is not the key.").waitFor();
    }
    await other.page.getByText(/people,/).waitFor();
    const stored = await other.page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length, location.href]);
    assert.deepEqual(stored, ["", 0, 0, `${locked}/sim`]);
    await other.close();
  },

  async "is drawn in light and dark, with a card that was clicked"() {
    const [amara] = (await bot.control("GET", "people?q=amara.okafor")).items;
    await bot.send(amara.conversation_id, { text: "Good morning, Amara. The night was **quiet**:\n\n- no alarms\n- one pump replaced" });
    await bot.send(amara.conversation_id, { attachments: [card("Pump P-117 raises an alarm")] });
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.goto(`${base}/sim#${amara.id}`);
    await page.getByRole("heading", { name: /Amara Okafor/ }).waitFor();
    await page.getByLabel("Comment").fill("On my way");
    await page.getByRole("button", { name: "I take it" }).click();
    await page.locator(".outcome.good").getByText("The card was replaced.").waitFor();
    await page.locator("#say").fill("Pressure is falling");
    await page.keyboard.press("Enter");
    await page.locator(".message.bot").getByText("You wrote: Pressure is falling").waitFor();
    await bot.send(amara.conversation_id, { attachments: [card("Pump P-118 raises an alarm")] });
    for (const colorScheme of ["light", "dark"]) {
      const other = await Watched.open(browser, base, { colorScheme, viewport: { width: 1280, height: 960 } });
      await other.page.goto(`${base}/sim#${amara.id}`);
      await other.page.locator("#chat").getByText("Alarm taken").waitFor();
      await other.page.locator(".outcome.good").getByText("The card was replaced.").waitFor();
      await other.page.locator("#inspector .entry").first().waitFor();
      const back = await other.page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)[0]);
      assert.ok(colorScheme === "light" ? back > 200 : back < 60, `${colorScheme}: ${back}`);
      await other.page.screenshot({ path: join(pictures, `sim-${colorScheme}.png`) });
      await other.close();
    }
  },
};

/** Waits until what has the focus is such an element. */
const focused = (selector) => until(() => page.evaluate((wanted) => document.activeElement.matches(wanted), selector), `the focus is on ${selector}`);

const watched = await Watched.open(browser, base);
const { page } = watched;
let name;
try {
  for (name of Object.keys(steps)) {
    await steps[name]();
    console.log(`ok: ${name}`);
  }
  await watched.close();
} catch (error) {
  console.error(`FAILED: ${name}\n${error.stack}\n${watched.problems.join("\n")}`);
  await page.screenshot({ path: join(pictures, "sim-failed.png") }).catch(() => {});
  process.exitCode = 1;
} finally {
  await browser.close();
  bot.stop();
}
