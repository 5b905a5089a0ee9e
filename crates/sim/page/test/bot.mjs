// A small bot: answers what people write, answers a card's button with another card, and can write first.

import { createServer } from "node:http";

export const APP = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4";
export const SECRET = "a secret of the test";
export const ADAPTIVE = "application/vnd.microsoft.card.adaptive";

export class Bot {
  constructor(base) {
    this.base = base;
    this.received = [];
  }

  /** Listens, registers with the simulator, takes a token. */
  async start(headers = {}) {
    this.headers = headers;
    this.server = createServer((request, response) => this.serve(request, response));
    await new Promise((resolve) => { this.server.listen(0, "127.0.0.1", resolve); });
    const endpoint = `http://127.0.0.1:${this.server.address().port}/api/messages`;
    const { tenant_id: tenant } = await this.control("GET", "info");
    await this.control("POST", "bots", { app_id: APP, secret: SECRET, endpoint, name: "Dispatch Bot" });
    const form = new URLSearchParams({
      grant_type: "client_credentials", client_id: APP, client_secret: SECRET, scope: "https://api.botframework.com/.default",
    });
    const answer = await fetch(`${this.base}/${tenant}/oauth2/v2.0/token`, { method: "POST", body: form });
    this.token = (await answer.json()).access_token;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  async control(method, path, body) {
    const answer = await fetch(`${this.base}/sim/${path}`, { method, headers: this.headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} /sim/${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** Posts a message into a conversation; its id. */
  async send(conversation, activity, query = "") {
    const answer = await fetch(`${this.base}/teams/v3/conversations/${encodeURIComponent(conversation)}/activities${query}`, {
      method: "POST", headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
      body: JSON.stringify({ type: "message", ...activity }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`send: ${answer.status} ${text}`);
    return JSON.parse(text).id;
  }

  async serve(request, response) {
    let text = "";
    for await (const piece of request) text += piece;
    const activity = JSON.parse(text);
    this.received.push(activity);
    if (activity.type === "message") {
      await this.send(activity.conversation.id, { text: `You wrote: **${activity.text}**`, replyToId: activity.id });
    }
    if (activity.type === "invoke" && activity.name === "adaptiveCard/action") {
      const { verb, data } = activity.value.action;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(verb === "refuse"
        ? { statusCode: 500, type: "application/vnd.microsoft.error", value: { code: "Broken", message: "The pump does not answer" } }
        : { statusCode: 200, type: ADAPTIVE, value: thanks(data) }));
      return;
    }
    response.end();
  }
}

/** What a bot sends first. */
export function card(title) {
  return {
    contentType: ADAPTIVE,
    content: {
      type: "AdaptiveCard", version: "1.5", $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
      body: [
        { type: "TextBlock", text: title, size: "Medium", weight: "Bolder", wrap: true },
        { type: "TextBlock", text: "Pressure in **hall 3** is above its limit. See [the plan](https://example.com/plan).", wrap: true },
        { type: "FactSet", facts: [{ title: "Since", value: "10:42" }, { title: "Pump", value: "P-117" }, { title: "Pressure", value: "6.4 bar" }] },
        { type: "Container", style: "attention", items: [{ type: "TextBlock", text: "Nobody has taken this alarm yet.", wrap: true }] },
        { type: "Input.Text", id: "comment", label: "Comment", placeholder: "What do you see?" },
        { type: "Input.ChoiceSet", id: "shift", label: "Shift", value: "day", choices: [{ title: "Day", value: "day" }, { title: "Night", value: "night" }] },
      ],
      actions: [
        { type: "Action.Execute", title: "I take it", verb: "take", data: { pump: "P-117" }, style: "positive" },
        { type: "Action.Execute", title: "Refuse", verb: "refuse", style: "destructive" },
        { type: "Action.OpenUrl", title: "Plan", url: "https://example.com/plan" },
      ],
    },
  };
}

function thanks(data) {
  return {
    type: "AdaptiveCard", version: "1.5",
    body: [
      { type: "TextBlock", text: "Alarm taken", size: "Medium", weight: "Bolder", color: "Good" },
      { type: "TextBlock", text: `Comment: ${data.comment ?? "none"}`, wrap: true },
      { type: "FactSet", facts: [{ title: "Pump", value: data.pump }, { title: "Shift", value: data.shift }] },
    ],
  };
}
