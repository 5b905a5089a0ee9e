// botframework-connector by itself: a bot without botbuilder, on its clients and its check of incoming tokens, with
// three kinds of credentials.
import { createServer } from 'node:http';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import connector from 'botframework-connector';
import {
  answers, APPROVED, CARD, check, clicks, everybodyInstalls, finish, forgeries, last, port, refused, said, same, sim, step,
  until, world,
} from './judge.mjs';

const {
  CertificateAppCredentials, ConnectorClient, JwtTokenProviderFactory, JwtTokenValidation, ManagedIdentityAppCredentials,
  MicrosoftAppCredentials, SimpleCredentialProvider, TeamsConnectorClient,
} = connector;
const { MicrosoftAppId: appId, MicrosoftAppPassword: password, MicrosoftAppTenantId: tenant } = process.env;

const credentials = new MicrosoftAppCredentials(appId, password, tenant);
const provider = new SimpleCredentialProvider(appId, password);

const conversations = new Set();
let seen = 0;

async function turn(activity) {
  seen += 1;
  conversations.add(activity.conversation.id);
  if (activity.type === 'invoke') return { status: 200, body: APPROVED };
  if (activity.type === 'message') {
    const client = new ConnectorClient(credentials, { baseUri: activity.serviceUrl });
    await client.conversations.replyToActivity(activity.conversation.id, activity.id, {
      type: 'message', text: `You said: ${activity.text}`, from: activity.recipient, replyToId: activity.id,
    });
  }
  return { status: 202 };
}

const server = createServer(async (request, response) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  const activity = JSON.parse(text);
  let answer;
  try {
    await JwtTokenValidation.authenticateRequest(activity, request.headers.authorization ?? '', provider, '');
    answer = await turn(activity);
  } catch (error) {
    answer = { status: 401, body: { error: error.message } };
  }
  response.writeHead(answer.status, { 'content-type': 'application/json' });
  response.end(answer.body && JSON.stringify(answer.body));
}).listen(port, '127.0.0.1');

const { people, serviceUrl, team } = await world();
const [ada, ben, cleo, dan, eve] = people;
const channel = team.channels.at(-1).id;
const { conversations: chats } = new ConnectorClient(credentials, { baseUri: serviceUrl });
const { teams } = new TeamsConnectorClient(credentials, { baseUri: serviceUrl });
const message = (text) => ({ type: 'message', text });

await step('events are believed and give conversations', async () => {
  const events = await everybodyInstalls(team);
  for (const person of people) check(conversations.has(person.conversation_id), `no chat of ${person.name}`);
  return events.answered;
});

await step('forged events are refused', () => forgeries(() => seen, ['a key endorsed for no channel']));

await step('replyToActivity: answers a message', async () => {
  await sim(`people/${ada.id}/says`, { text: 'hello' });
  await answers(ada.id, 'You said: hello');
});

await step('sendToConversation, updateActivity, deleteActivity', async () => {
  const sent = await chats.sendToConversation(ada.conversation_id, message('Deploy 4711 has begun'));
  await chats.updateActivity(ada.conversation_id, sent.id, message('Deploy 4711 is done'));
  const mistake = await chats.sendToConversation(ada.conversation_id, message('a mistake'));
  await chats.deleteActivity(ada.conversation_id, mistake.id);
  const [updated, deleted] = (await said(ada.id)).slice(-2);
  same([updated.id, updated.activity.text, updated.edits], [sent.id, 'Deploy 4711 is done', 1], 'the updated message');
  check(deleted.deleted, 'the message is not deleted');
});

await step('a card with a button, and its invoke', async () => {
  const attachments = [{ contentType: 'application/vnd.microsoft.card.adaptive', content: CARD }];
  const sent = await chats.sendToConversation(cleo.conversation_id, { type: 'message', attachments });
  same((await last(cleo.id)).activity.attachments[0].content, CARD, 'the card');
  same(await clicks(cleo, sent.id), APPROVED, 'the answer to the button');
  same((await chats.getActivityMembers(cleo.conversation_id, sent.id)).length, 1, 'members of the activity');
});

await step('createConversation: 1:1 by object id', async () => {
  const made = await chats.createConversation({
    isGroup: false, bot: { id: appId }, members: [{ id: ben.id }], tenantId: tenant, channelData: { tenant: { id: tenant } },
  });
  same(made.id, ben.conversation_id, 'the chat');
});

await step('createConversation: a new thread, and an answer in it', async () => {
  const made = await chats.createConversation({
    isGroup: true, bot: { id: appId }, tenantId: tenant, channelData: { channel: { id: channel } },
    activity: message('Incident 4711'),
  });
  await chats.sendToConversation(made.id, message('Incident 4711 is closed'));
  const [root, answer] = (await said(channel)).slice(-2);
  same([made.id, made.activityId], [`${channel};messageid=${root.id}`, root.id], 'the thread');
  same(answer.reply_to, root.id, 'the root of the answer');
});

await step('members, one by one and by page; the team and its channels', async () => {
  const member = await chats.getConversationMember(dan.conversation_id, dan.id);
  same([member.id, member.aadObjectId, member.name], [dan.mri, dan.id, dan.name], 'the member');
  same((await chats.getConversationPagedMembers(team.id, { pageSize: 50 })).members.length, team.members, 'members by page');
  same((await chats.getConversationMembers(team.id)).length, team.members, 'members');
  const details = await teams.fetchTeamDetails(team.id);
  same([details.id, details.aadGroupId, details.name], [team.id, team.aadGroupId, team.name], 'the team');
  const { conversations: channels } = await teams.fetchChannelList(team.id);
  same(channels.map((each) => each.id).sort(), team.channels.map((each) => each.id).sort(), 'its channels');
});

await step('sendMessageToListOfUsers', async () => {
  const off = await refused(
    () => teams.sendMessageToListOfUsers(message('to many'), tenant, [{ id: dan.mri }]), 'a batch while they are off');
  // It throws a list of what came of each try.
  same(off.errors.map((error) => error.statusCode), [403], 'the status while batches are off');
  await sim('settings', { batch: true }, 'PATCH');
  const { operationId } = await teams.sendMessageToListOfUsers(
    message('to many'), tenant, [{ id: dan.mri }, { id: eve.id }]);
  let state;
  await until(async () => {
    state = await teams.getOperationState(operationId);
    return state.state === 'Completed';
  });
  same([state.state, state.totalEntriesCount], ['Completed', 2], 'the operation');
  for (const person of [dan, eve]) same((await last(person.id)).activity.text, 'to many', 'what was sent');
});

const certificate = new X509Certificate(readFileSync(process.env.CERT_FILE));
const kinds = {
  certificate: new CertificateAppCredentials(
    appId, certificate.fingerprint.replaceAll(':', ''), readFileSync(process.env.KEY_FILE, 'utf8'), tenant),
  'managed identity': new ManagedIdentityAppCredentials(
    appId, 'https://api.botframework.com', new JwtTokenProviderFactory()),
};
for (const [kind, other] of Object.entries(kinds)) {
  await step(`credentials: ${kind}`, async () => {
    // The SDK keeps one token for an app whatever its credentials are, so ask for another.
    await other.getToken(true);
    const client = new ConnectorClient(other, { baseUri: serviceUrl });
    await client.conversations.sendToConversation(eve.conversation_id, message(kind));
    same((await last(eve.id)).activity.text, kind, 'what was sent');
  });
}

await step('a refusal keeps its status and code', async () => {
  await sim(`people/${ben.id}`, { state: 'blocked' }, 'PATCH');
  const error = await refused(
    () => chats.sendToConversation(ben.conversation_id, message('Anyone there?')), 'a send to who blocked');
  same([error.statusCode, error.code], [403, 'ConversationBlockedByUser'], 'the error');
});

server.close();
finish();
