// TeamsFx: ConversationBot with notifications and card actions, on the Agents SDK that it brings along.
import { createRequire } from 'node:module';
import express from 'express';
import teamsfx from '@microsoft/teamsfx';
import {
  answers, APPROVED, CARD, check, clicks, everybodyInstalls, finish, forgeries, last, port, refused, said, same, sim, step, world,
} from './judge.mjs';

// What TeamsFx stands on, in the version that it asks for.
const require = createRequire(import.meta.resolve('@microsoft/teamsfx'));
const { authorizeJWT, loadAuthConfigFromEnv } = require('@microsoft/agents-hosting');
const { Channel, ConversationBot, SearchScope } = teamsfx.AgentBuilderCloudAdapter;

// A store of one's own, as for production: the default one is a file that two events at once spoil.
const references = new Map();
const store = {
  async add(key, reference, { overwrite }) {
    if (references.has(key) && !overwrite) return false;
    references.set(key, reference);
    return true;
  },
  async remove(key) {
    return references.delete(key);
  },
  async list() {
    return { data: [...references.values()], continuationToken: '' };
  },
};

const config = loadAuthConfigFromEnv();
const bot = new ConversationBot({
  adapterConfig: config,
  notification: { enabled: true, store },
  cardAction: {
    enabled: true,
    actions: [{
      triggerVerb: 'approve',
      async handleActionInvoked(_context, data) {
        check(data.deploy === 4711, JSON.stringify(data));
        return teamsfx.InvokeResponseFactory.textMessage(APPROVED.value);
      },
    }],
  },
});

let seen = 0;
async function turn(context) {
  seen += 1;
  if (context.activity.type === 'message') await context.sendActivity(`You said: ${context.activity.text}`);
}

const server = express();
server.use(express.json());
server.post('/api/messages', authorizeJWT(config),
  (request, response) => bot.requestHandler(request, response, turn));
const listening = server.listen(port, '127.0.0.1');

const { people, team } = await world();
const [ada, ben, cleo] = people;

await step('events are believed and installations are kept', async () => {
  const events = await everybodyInstalls(team);
  const { data } = await bot.notification.getPagedInstallations(100, undefined, false);
  const ids = data.map((target) => target.conversationReference.conversation.id);
  for (const person of people) check(ids.includes(person.conversation_id), `no installation of ${person.name}`);
  check(ids.includes(team.id), 'no installation of the team');
  return events.answered;
});

await step('forged events are refused', () =>
  forgeries(() => seen, ['another service URL', 'a key endorsed for no channel'], ['no token']));

await step('answers a message', async () => {
  await sim(`people/${ada.id}/says`, { text: 'hello' });
  await answers(ada.id, 'You said: hello');
});

const target = (conversation) => bot.notification.buildTeamsBotInstallation(
  [...references.values()].find((reference) => reference.conversation.id === conversation));

await step('sendMessage', async () => {
  const sent = await target(ada.conversation_id).sendMessage('Deploy 4711 has begun');
  const there = await last(ada.id);
  same([there.activity.text, there.id], ['Deploy 4711 has begun', sent.id], 'the message');
});

await step('sendAdaptiveCard, and the invoke of its button', async () => {
  const sent = await target(cleo.conversation_id).sendAdaptiveCard(CARD);
  same((await last(cleo.id)).activity.attachments[0].content, CARD, 'the card');
  same(await clicks(cleo, sent.id), APPROVED, 'the answer to the button');
});

await step('findMember: a new chat with a member of a team', async () => {
  let eve;
  const found = await bot.notification.findMember(async (each) => {
    eve = people.find((person) => person.id === each.account.aadObjectId);
    return ![ada, ben, cleo].includes(eve);
  }, SearchScope.Channel);
  await found.sendMessage('Hello from a new chat');
  same((await last(eve.id)).activity.text, 'Hello from a new chat', 'what was sent');
});

// findChannel, channels and getTeamDetails fail before any request: they miss a client that their turn does not have.
await step('Channel: a new thread', async () => {
  const channel = new Channel(target(team.id), team.channels.at(-1));
  await channel.sendMessage('Incident 4711');
  same((await last(channel.info.id)).activity.text, 'Incident 4711', 'the root of the thread');
});

await step('members of the team', async () => {
  same((await target(team.id).getPagedMembers(50)).data.length, team.members, 'members by page');
});

await step('a refusal keeps its status', async () => {
  await sim(`people/${ben.id}`, { state: 'blocked' }, 'PATCH');
  const error = await refused(
    () => target(ben.conversation_id).sendMessage('Anyone there?'), 'a send to who blocked');
  check(JSON.stringify(error, Object.getOwnPropertyNames(error)).includes('403'), error.stack);
});

listening.close();
finish();
