// Chromium, watched: whatever a page says on its console or asks of another host is a failure of the test.

import { strict as assert } from "node:assert";
import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];

/** With a folder for its profile that is gone afterwards. */
export const launch = () => chromium.launch({ executablePath: "/usr/bin/chromium", headless: true, args: ARGUMENTS });

export class Watched {
  /** Opens a tab of its own. `tolerated`: what the console may say. */
  static async open(browser, base, options = {}, tolerated = () => false) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const watched = new Watched();
    Object.assign(watched, { context, page, problems: [], requests: 0 });
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()) && !tolerated(message.text())) watched.problems.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => watched.problems.push(`error: ${error.stack}`));
    page.on("dialog", (dialog) => { watched.problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    // A navigation or the end of the test may break off a request; nothing else may.
    page.on("requestfailed", (request) => {
      const why = request.failure()?.errorText;
      if (why !== "net::ERR_ABORTED") watched.problems.push(`failed: ${request.url()} ${why}`);
    });
    page.on("request", (request) => {
      watched.requests += 1;
      const { protocol, origin } = new URL(request.url());
      if (protocol !== "data:" && origin !== base) watched.problems.push(`external: ${request.url()}`);
    });
    await page.goto(`${base}/sim`);
    return watched;
  }

  async close() {
    assert.deepEqual(this.problems, []);
    assert.ok(this.requests > 10, "the watch was there");
    await this.context.close();
  }
}

/** Waits until `look` gives something true. */
export async function until(look, what) {
  const end = Date.now() + 30_000;
  for (;;) {
    const value = await look();
    if (value) return value;
    assert.ok(Date.now() < end, `in time: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}
