// What every judge does around its SDK: the simulator's control API, steps that print one JSON line each, and the
// simulator's people doing what people do. No SDK is imported here.
import { isDeepStrictEqual } from 'node:util';

const base = process.env.SIM;
export const port = Number(process.env.PORT);
let failed = 0;

/** A call of the control API: `sim('people')`, `sim('settings', { limits: false }, 'PATCH')`. */
export async function sim(path, body, method = body === undefined ? 'GET' : 'POST') {
  const answer = await fetch(`${base}/sim/${path}`, { method, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} /sim/${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** One step: its line says whether what it did held. What it gives back is for the steps after it. */
export async function step(name, work) {
  try {
    const value = await work();
    say(name, true, value);
    return value;
  } catch (error) {
    failed += 1;
    const answer = error?.response?.data ?? error?.body;
    say(name, false, [error?.stack ?? String(error), answer && JSON.stringify(answer)].filter(Boolean).join('\n'));
    return undefined;
  }
}

function say(step, ok, detail) {
  process.stdout.write(`${JSON.stringify({ step, ok, detail: detail ?? null })}\n`);
}

/** The last line of every judge. */
export function finish() {
  say('finished', failed === 0, { failed });
  process.stdout.write('', () => process.exit(failed === 0 ? 0 : 1));
}

export function check(held, what) {
  if (!held) throw new Error(what);
}

export function same(is, wanted, what) {
  if (!isDeepStrictEqual(is, wanted)) {
    throw new Error(`${what}: ${JSON.stringify(is)} is not ${JSON.stringify(wanted)}`);
  }
}

/** The call is refused; gives the error, for a look at its status and code. */
export async function refused(call, what) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error(`${what} was not refused`);
}

/** What the simulator's people and teams are, and what Microsoft calls them. */
export async function world() {
  const [info, people, teams, bots] = await Promise.all(
    ['info', 'people?limit=1000', 'teams', 'bots'].map((path) => sim(path)));
  return {
    serviceUrl: info.service_url,
    tenant: info.tenant_id,
    appId: bots.items[0].app_id,
    people: people.items,
    team: teams.items[0],
    teams: teams.items,
  };
}

/** Everybody has the app, in the first team as well; comes back when the bot has answered all events. */
export async function everybodyInstalls(team) {
  await sim('policy-install', {});
  await sim(`teams/${encodeURIComponent(team.id)}/install`, {});
  return events();
}

/** Waits until the bot has answered every event on its way. */
export async function events() {
  for (;;) {
    const events = await sim('events');
    if (events.pending === 0) return events;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What the app said in a chat or channel, as the simulator has it. */
export async function said(conversation) {
  const page = await sim(`conversations/${encodeURIComponent(conversation)}/messages`);
  return page.items.filter((message) => message.from === 'bot');
}

/** The last thing the app said there. */
export async function last(conversation) {
  return (await said(conversation)).at(-1);
}

/** Tokens that no bot may believe. */
const FORGERIES = {
  'no token': { omit: ['authorization'] },
  'a key of nobody': { kid: 'foreign' },
  'the signature of another key': { kid: 'mismatch' },
  'the public key as a secret': { alg: 'HS256' },
  'no signature': { alg: 'none' },
  "another bot's": { aud: '00000000-0000-0000-0000-000000000001' },
  'long over': { exp_s: -3600, nbf_s: -7200 },
  'another issuer': { iss: 'https://login.example' },
  'another service URL': { serviceurl: 'https://elsewhere.example/teams/' },
  'a key endorsed for no channel': { kid: 'unendorsed' },
};

/**
 * Posts forged events at the bot: each must be refused, and none may come through to `seen()`. `notChecked` names those
 * that this SDK lets in: it does not look at what is wrong with them. `refusedButSeen`: it says 401 and goes on.
 */
export async function forgeries(seen, notChecked = [], refusedButSeen = []) {
  const before = seen();
  const answers = {};
  for (const [name, token] of Object.entries(FORGERIES)) {
    const answer = await sim('activities', { activity: { type: 'message', text: `forged: ${name}` }, token });
    answers[name] = answer.status;
    // botbuilder for JavaScript answers some with 500, which makes Teams send them again.
    const taken = answer.status < 300;
    same(taken, notChecked.includes(name), `an event with ${name}, answered ${answer.status} ${answer.body}: taken`);
  }
  // Some SDKs answer first and work then.
  const through = notChecked.length + refusedButSeen.length;
  await until(() => seen() - before >= through);
  same(seen() - before, through, 'events that came through');
  return answers;
}

/** Waits until it holds; gives up after five seconds, for the check that follows to say what is wrong. */
export async function until(holds) {
  for (const end = Date.now() + 5000; Date.now() < end && !(await holds());) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The app says this in a chat, if not at once then soon. */
export async function answers(conversation, text) {
  await until(async () => (await last(conversation))?.activity.text === text);
  same((await last(conversation))?.activity.text, text, 'the answer');
}

/** A card with one button of the kind that comes back as `adaptiveCard/action`. */
export const CARD = {
  type: 'AdaptiveCard',
  $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
  version: '1.4',
  body: [{ type: 'TextBlock', text: 'Deploy 4711?', wrap: true }],
  actions: [{ type: 'Action.Execute', title: 'Approve', verb: 'approve', id: 'approve', data: { deploy: 4711 } }],
};

/** What the bot answers to its button. */
export const APPROVED = {
  statusCode: 200,
  type: 'application/vnd.microsoft.activity.message',
  value: 'Approved',
};

/** A person clicks the button of the card; the bot's answer. */
export async function clicks(person, message) {
  const answer = await sim(`people/${person.id}/acts`, { message, action: { type: 'Action.Execute', id: 'approve' } });
  same([answer.status, answer.problem], [200, null], `the answer to a click: ${JSON.stringify(answer)}`);
  return answer.body;
}
