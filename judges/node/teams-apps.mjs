// The Teams SDK (@microsoft/teams.apps): App with its own HTTP server, configured by its environment variables.
import { App } from '@microsoft/teams.apps';
import {
  answers, APPROVED, CARD, check, clicks, everybodyInstalls, finish, forgeries, last, port, refused, said, same, sim, step, world,
} from './judge.mjs';

const app = new App();

const conversations = new Set();
let seen = 0;
app.use(async (context) => {
  seen += 1;
  conversations.add(context.activity.conversation.id);
  return context.next();
});
app.on('message', async ({ activity, send }) => {
  await send(`You said: ${activity.text}`);
});
app.on('card.action', async ({ activity }) => {
  check(activity.value.action.data.deploy === 4711, JSON.stringify(activity.value));
  return APPROVED;
});
await app.start(port);

const { people, team, tenant } = await world();
const [ada, ben, cleo] = people;
const channel = team.channels.at(-1).id;
const { conversations: chats, teams } = app.api;

await step('events are believed and give conversations', async () => {
  const events = await everybodyInstalls(team);
  for (const person of people) check(conversations.has(person.conversation_id), `no chat of ${person.name}`);
  check(conversations.has(team.id), 'no conversation of the team');
  return events.answered;
});

await step('forged events are refused', () => forgeries(() => seen, ['a key endorsed for no channel']));

await step('answers a message', async () => {
  await sim(`people/${ada.id}/says`, { text: 'hello' });
  await answers(ada.id, 'You said: hello');
});

await step('app.send, update, delete', async () => {
  const sent = await app.send(ada.conversation_id, 'Deploy 4711 has begun');
  await app.send(ada.conversation_id, { type: 'message', id: sent.id, text: 'Deploy 4711 is done' });
  const mistake = await app.send(ada.conversation_id, 'a mistake');
  await chats.deleteActivity(ada.conversation_id, mistake.id);
  const [updated, deleted] = (await said(ada.id)).slice(-2);
  same([updated.id, updated.activity.text, updated.edits], [sent.id, 'Deploy 4711 is done', 1], 'the updated message');
  check(deleted.deleted, 'the message is not deleted');
});

await step('a card with a button, and its invoke', async () => {
  const attachments = [{ contentType: 'application/vnd.microsoft.card.adaptive', content: CARD }];
  const sent = await app.send(cleo.conversation_id, { type: 'message', attachments });
  same((await last(cleo.id)).activity.attachments[0].content, CARD, 'the card');
  same(await clicks(cleo, sent.id), APPROVED, 'the answer to the button');
});

await step('a reaction', async () => {
  const sent = await app.send(cleo.conversation_id, 'Do you like it?');
  await chats.addReaction(cleo.conversation_id, sent.id, 'like');
  same((await last(cleo.id)).reactions, ['like'], 'the reactions');
});

await step('create: 1:1 by object id', async () => {
  const made = await chats.create({ members: [{ id: ben.id }], tenantId: tenant });
  same(made.id, ben.conversation_id, 'the chat');
  await app.send(made.id, 'Hello from a new chat');
  same((await last(ben.id)).activity.text, 'Hello from a new chat', 'what was sent');
});

await step('create: a new thread, and an answer in it', async () => {
  const made = await chats.create({
    isGroup: true, tenantId: tenant, channelData: { channel: { id: channel } },
    activity: { type: 'message', text: 'Incident 4711' },
  });
  await app.reply(channel, made.activityId, 'Incident 4711 is closed');
  const [root, answer] = (await said(channel)).slice(-2);
  same([made.id, made.activityId], [`${channel};messageid=${root.id}`, root.id], 'the thread');
  same(answer.reply_to, root.id, 'the root of the answer');
});

await step('members, one by one, by page and of the team; the team and its channels', async () => {
  const member = await chats.getMemberById(ada.conversation_id, ada.id);
  same([member.id, member.aadObjectId, member.name], [ada.mri, ada.id, ada.name], 'the member');
  same((await chats.getPagedMembers(team.id, 50)).members.length, team.members, 'members by page');
  same((await chats.getMembers(team.id)).length, team.members, 'members');
  const details = await teams.getById(team.id);
  same([details.id, details.aadGroupId, details.name], [team.id, team.aadGroupId, team.name], 'the team');
  const channels = await teams.getConversations(team.id);
  same(channels.map((each) => each.id).sort(), team.channels.map((each) => each.id).sort(), 'its channels');
});

await step('a refusal keeps its status and code', async () => {
  await sim(`people/${ben.id}`, { state: 'blocked' }, 'PATCH');
  const error = await refused(() => app.send(ben.conversation_id, 'Anyone there?'), 'a send to who blocked');
  const { status, data } = error.response;
  same([status, data.error.code], [403, 'ConversationBlockedByUser'], 'the error');
});

await app.stop();
finish();
