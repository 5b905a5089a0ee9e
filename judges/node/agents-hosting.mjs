// The Microsoft 365 Agents SDK: AgentApplication with its own store of conversations for proactive messages, and
// TeamsInfo of its extension for Teams.
import express from 'express';
import {
  AgentApplication, authorizeJWT, CardFactory, CloudAdapter, CreateConversationOptionsBuilder, loadAuthConfigFromEnv,
  MemoryStorage, MessageFactory,
} from '@microsoft/agents-hosting';
import { TeamsInfo } from '@microsoft/agents-hosting-extensions-teams';
import {
  answers, APPROVED, CARD, check, clicks, everybodyInstalls, finish, forgeries, last, port, refused, said, same, sim, step,
  until, world,
} from './judge.mjs';

const config = loadAuthConfigFromEnv();
const adapter = new CloudAdapter(config);
const storage = new MemoryStorage();
const app = new AgentApplication({ adapter, storage, proactive: { storage } });

let seen = 0;
const known = new Set();
app.onTurn('beforeTurn', async (context) => {
  seen += 1;
  known.add(await app.proactive.storeConversation(context));
  return true;
});
let member;
let page;
app.onMessage('who am I?', async (context) => {
  member = await TeamsInfo.getMember(context, context.activity.from.id);
  page = await TeamsInfo.getPagedMembers(context);
});
app.onActivity('message', (context) => context.sendActivity(`You said: ${context.activity.text}`));
app.onActivity('installationUpdate', async () => {});
app.onActivity('conversationUpdate', async () => {});
app.adaptiveCards.actionExecute('approve', async (_context, _state, action) => {
  check(action.data.deploy === 4711, JSON.stringify(action));
  return APPROVED.value;
});

const server = express();
server.use(express.json());
server.use(authorizeJWT(config));
server.post('/api/messages', (request, response) => adapter.process(request, response, (context) => app.run(context)));
const listening = server.listen(port, '127.0.0.1');

const { appId, people, serviceUrl, team, tenant } = await world();
const [ada, ben, cleo, dan, eve] = people;
const channel = team.channels.at(-1).id;
const proactively = (id, logic) => app.proactive.continueConversation(adapter, id, logic);

await step('events are believed and give references', async () => {
  const events = await everybodyInstalls(team);
  for (const person of people) check(known.has(person.conversation_id), `no reference of ${person.name}`);
  check(known.has(team.id), 'no reference of the team');
  return events.answered;
});

await step('forged events are refused', () =>
  forgeries(() => seen, ['another service URL', 'a key endorsed for no channel']));

await step('answers a message', async () => {
  await sim(`people/${ada.id}/says`, { text: 'hello' });
  await answers(ada.id, 'You said: hello');
});

let sent;
await step('proactive: send, update, delete', async () => {
  sent = await app.proactive.sendActivity(adapter, ada.conversation_id, MessageFactory.text('Deploy 4711 has begun'));
  await proactively(ada.conversation_id, async (context) => {
    await context.updateActivity(Object.assign(MessageFactory.text('Deploy 4711 is done'), { id: sent.id }));
    const mistake = await context.sendActivity('a mistake');
    await context.deleteActivity(mistake.id);
  });
  const [updated, deleted] = (await said(ada.id)).slice(-2);
  same([updated.id, updated.activity.text, updated.edits], [sent.id, 'Deploy 4711 is done', 1], 'the updated message');
  check(deleted.deleted, 'the message is not deleted');
});

await step('a card with a button, and its invoke', async () => {
  const card = MessageFactory.attachment(CardFactory.adaptiveCard(CARD));
  sent = await app.proactive.sendActivity(adapter, cleo.conversation_id, card);
  same((await last(cleo.id)).activity.attachments[0].content, CARD, 'the card');
  same(await clicks(cleo, sent.id), APPROVED, 'the answer to the button');
});

await step('createConversation: 1:1 by object id', async () => {
  const options = CreateConversationOptionsBuilder.create(appId, 'msteams', serviceUrl)
    .withUser(ben.id).withTenantId(tenant).storeConversation(true).build();
  const made = await app.proactive.createConversation(adapter, options, async (context) => {
    await context.sendActivity('Hello from a new chat');
  });
  same(made.reference.conversation.id, ben.conversation_id, 'the chat');
  same((await last(ben.id)).activity.text, 'Hello from a new chat', 'what was sent');
});

await step('sendMessageToTeamsChannel: a thread and an answer in it', async () => {
  await proactively(ada.conversation_id, async (context) => {
    // What it gives as the id of the message is that of the thread.
    const [reference, thread] = await TeamsInfo.sendMessageToTeamsChannel(
      context, MessageFactory.text('Incident 4711'), channel, appId);
    same(reference.conversation.id, thread, 'the thread');
    await adapter.continueConversation(appId, reference, async (answer) => {
      await answer.sendActivity('Incident 4711 is closed');
    });
    const [root, answer] = (await said(channel)).slice(-2);
    same([thread, answer.reply_to], [`${channel};messageid=${root.id}`, root.id], 'the thread in the simulator');
  });
});

await step('members, one by one, by page and of the team; the team and its channels', async () => {
  // Only in the turn of an event: these two want its channelData, which a stored reference does not have.
  await sim(`people/${dan.id}/says`, { text: 'who am I?' });
  same([member?.id, member?.name], [dan.mri, dan.name], 'the member');
  same(page.members.length, 1, 'people in a 1:1 chat');
  await proactively(team.id, async (context) => {
    const page = await TeamsInfo.getPagedTeamMembers(context, team.id, 50);
    same(page.members.length, team.members, 'members by page');
    const details = await TeamsInfo.getTeamDetails(context, team.id);
    same([details.id, details.aadGroupId, details.name], [team.id, team.aadGroupId, team.name], 'the team');
    const channels = await TeamsInfo.getTeamChannels(context, team.id);
    same(channels.map((each) => each.id).sort(), team.channels.map((each) => each.id).sort(), 'its channels');
  });
});

await step('sendMessageToListOfUsers', async () => {
  await sim('settings', { batch: true }, 'PATCH');
  const many = [{ id: dan.mri }, { id: eve.mri }];
  await proactively(ada.conversation_id, async (context) => {
    const { operationId } = await TeamsInfo.sendMessageToListOfUsers(
      context, MessageFactory.text('to many'), tenant, many);
    let state;
    await until(async () => {
      state = await TeamsInfo.getOperationState(context, operationId);
      return state.state === 'Completed';
    });
    same([state.state, state.totalEntriesCount], ['Completed', 2], 'the operation');
    const failed = await TeamsInfo.getFailedEntries(context, operationId);
    same(failed.failedEntries?.length ?? failed.failedEntryResponses?.length ?? 0, 0, 'failed entries');
  });
  for (const person of [dan, eve]) same((await last(person.id)).activity.text, 'to many', 'what was sent');
});

await step('a refusal keeps its status and code', async () => {
  await sim(`people/${ben.id}`, { state: 'blocked' }, 'PATCH');
  const error = await refused(
    () => app.proactive.sendActivity(adapter, ben.conversation_id, MessageFactory.text('Anyone there?')),
    'a send to who blocked');
  check(JSON.stringify(error, Object.getOwnPropertyNames(error)).includes('403'), `status: ${error.stack}`);
});

listening.close();
finish();
