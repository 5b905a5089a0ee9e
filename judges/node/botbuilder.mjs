// botbuilder for JavaScript: CloudAdapter, TeamsActivityHandler and TeamsInfo, configured by its environment variables.
import express from 'express';
import {
  CardFactory, CloudAdapter, ConfigurationBotFrameworkAuthentication, MessageFactory, TeamsActivityHandler, TeamsInfo,
  TurnContext,
} from 'botbuilder';
import {
  answers, APPROVED, CARD, check, clicks, everybodyInstalls, finish, forgeries, last, port, refused, said, same, sim, step,
  until, world,
} from './judge.mjs';

const adapter = new CloudAdapter(new ConfigurationBotFrameworkAuthentication(process.env));

const references = new Map();
let seen = 0;

class Bot extends TeamsActivityHandler {
  constructor() {
    super();
    this.onTurn(async (context, next) => {
      seen += 1;
      const reference = TurnContext.getConversationReference(context.activity);
      references.set(reference.conversation.id, reference);
      await next();
    });
    this.onMessage(async (context, next) => {
      await context.sendActivity(`You said: ${context.activity.text}`);
      await next();
    });
  }

  async onAdaptiveCardInvoke(context, value) {
    check(value.action.verb === 'approve' && value.action.data.deploy === 4711, JSON.stringify(value));
    return APPROVED;
  }
}

const bot = new Bot();
const server = express();
server.use(express.json());
server.post('/api/messages', (request, response) => adapter.process(request, response, (context) => bot.run(context)));
const listening = server.listen(port, '127.0.0.1');

const { appId, people, serviceUrl, team, tenant } = await world();
const [ada, ben, cleo, dan, eve] = people;
const channel = team.channels.at(-1).id;
const proactively = (id, logic) => adapter.continueConversationAsync(appId, references.get(id), logic);

await step('events are believed and give references', async () => {
  const events = await everybodyInstalls(team);
  for (const person of people) check(references.has(person.conversation_id), `no reference of ${person.name}`);
  check(references.has(team.id), 'no reference of the team');
  return events.answered;
});

await step('forged events are refused', () => forgeries(() => seen, ['a key endorsed for no channel']));

await step('answers a message', async () => {
  await sim(`people/${ada.id}/says`, { text: 'hello' });
  await answers(ada.id, 'You said: hello');
});

let sent;
await step('continueConversation: send, update, delete', async () => {
  await proactively(ada.conversation_id, async (context) => {
    sent = await context.sendActivity('Deploy 4711 has begun');
    await context.updateActivity({ ...MessageFactory.text('Deploy 4711 is done'), id: sent.id });
    const mistake = await context.sendActivity('a mistake');
    await context.deleteActivity(mistake.id);
  });
  const [updated, deleted] = (await said(ada.id)).slice(-2);
  same([updated.id, updated.activity.text, updated.edits], [sent.id, 'Deploy 4711 is done', 1], 'the updated message');
  check(deleted.deleted, 'the message is not deleted');
});

await step('a card with a button, and its invoke', async () => {
  await proactively(cleo.conversation_id, async (context) => {
    sent = await context.sendActivity(MessageFactory.attachment(CardFactory.adaptiveCard(CARD)));
  });
  same((await last(cleo.id)).activity.attachments[0].content, CARD, 'the card');
  same(await clicks(cleo, sent.id), APPROVED, 'the answer to the button');
});

await step('createConversation: 1:1 by object id', async () => {
  const parameters = { isGroup: false, bot: { id: appId }, members: [{ id: ben.id }], tenantId: tenant };
  await adapter.createConversationAsync(appId, 'msteams', serviceUrl, null, parameters, async (context) => {
    same(context.activity.conversation.id, ben.conversation_id, 'the chat');
    await context.sendActivity('Hello from a new chat');
  });
  same((await last(ben.id)).activity.text, 'Hello from a new chat', 'what was sent');
});

await step('sendMessageToTeamsChannel: a thread and an answer in it', async () => {
  await proactively(ada.conversation_id, async (context) => {
    // What it gives as the id of the message is that of the thread.
    const [reference, thread] = await TeamsInfo.sendMessageToTeamsChannel(
      context, MessageFactory.text('Incident 4711'), channel, appId);
    same(reference.conversation.id, thread, 'the thread');
    await adapter.continueConversationAsync(appId, reference, async (answer) => {
      await answer.sendActivity('Incident 4711 is closed');
    });
    const [root, answer] = (await said(channel)).slice(-2);
    same([thread, answer.reply_to], [`${channel};messageid=${root.id}`, root.id], 'the thread in the simulator');
  });
});

await step('members, one by one, by page and of the team; the team and its channels', async () => {
  await proactively(ada.conversation_id, async (context) => {
    const member = await TeamsInfo.getMember(context, ada.id);
    same([member.id, member.aadObjectId, member.name], [ada.mri, ada.id, ada.name], 'the member');
    same((await TeamsInfo.getPagedMembers(context)).members.length, 1, 'people in a 1:1 chat');
  });
  await proactively(team.id, async (context) => {
    const page = await TeamsInfo.getPagedTeamMembers(context, team.id, 50);
    same(page.members.length, team.members, 'members by page');
    same((await TeamsInfo.getTeamMembers(context, team.id)).length, team.members, 'members');
    same((await TeamsInfo.getMembers(context)).length, team.members, 'members of the channel');
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
    () => proactively(ben.conversation_id, (context) => context.sendActivity('Anyone there?')), 'a send to who blocked');
  same([error.statusCode, error.code], [403, 'ConversationBlockedByUser'], 'the error');
});

listening.close();
finish();
