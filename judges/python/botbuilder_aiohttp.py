"""botbuilder for Python: CloudAdapter on aiohttp, TeamsActivityHandler and TeamsInfo, configured as its samples are."""

import asyncio
import os

from aiohttp import web
from botbuilder.core import CardFactory, InvokeResponse, MessageFactory, TurnContext
from botbuilder.core.teams import TeamsActivityHandler, TeamsInfo
from botbuilder.integration.aiohttp import CloudAdapter, ConfigurationBotFrameworkAuthentication
from botbuilder.schema import Activity, AdaptiveCardInvokeResponse, ChannelAccount, ConversationParameters

from judge import (
    CARD, PORT, check, clicks, everybody_installs, finish, forgeries, last, refused, said, same, sim, step,
)


class Config:
    APP_TYPE = os.environ["MicrosoftAppType"]
    APP_ID = os.environ["MicrosoftAppId"]
    APP_PASSWORD = os.environ["MicrosoftAppPassword"]
    APP_TENANTID = os.environ["MicrosoftAppTenantId"]


ADAPTER = CloudAdapter(ConfigurationBotFrameworkAuthentication(Config()))


# The answer to the button is another card: this SDK cannot serialise one that is a text.
APPROVED = {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": "Approved"}]}


class Bot(TeamsActivityHandler):
    def __init__(self):
        self.member = None
        self.references = {}
        self.seen = 0

    async def on_turn(self, turn_context: TurnContext):
        self.seen += 1
        reference = TurnContext.get_conversation_reference(turn_context.activity)
        self.references[reference.conversation.id] = reference
        await super().on_turn(turn_context)

    async def on_message_activity(self, turn_context: TurnContext):
        if turn_context.activity.text == "who am I?":
            self.member = await TeamsInfo.get_member(turn_context, turn_context.activity.from_property.id)
            return
        await turn_context.send_activity(f"You said: {turn_context.activity.text}")

    async def on_invoke_activity(self, turn_context: TurnContext):
        # Not on_adaptive_card_invoke: what that gives is serialised twice, which msrest refuses with a 500.
        action = turn_context.activity.value["action"]
        check(turn_context.activity.name == "adaptiveCard/action" and action["data"] == {"deploy": 4711}, action)
        answer = AdaptiveCardInvokeResponse(
            status_code=200, type="application/vnd.microsoft.card.adaptive", value=APPROVED
        )
        return InvokeResponse(status=200, body=answer)


BOT = Bot()


async def messages(request):
    answer = await ADAPTER.process(request, BOT)
    return answer if answer else web.Response(status=201)


async def proactively(conversation, logic):
    await ADAPTER.continue_conversation(BOT.references[conversation], logic, Config.APP_ID)


async def judge():
    app = web.Application()
    app.router.add_post("/api/messages", messages)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()

    info, people, teams = await sim("info"), (await sim("people"))["items"], (await sim("teams"))["items"]
    ada, ben, cleo = people[:3]
    team, tenant, service_url = teams[0], info["tenant_id"], info["service_url"]
    channel = team["channels"][-1]["id"]

    async def events():
        answered = await everybody_installs(team)
        for person in people:
            check(person["conversation_id"] in BOT.references, f"no reference of {person['name']}")
        check(team["id"] in BOT.references, "no reference of the team")
        return answered

    async def message():
        await sim(f"people/{ada['id']}/says", {"text": "hello"})
        same((await last(ada["id"]))["activity"]["text"], "You said: hello", "the answer")

    async def send_update_delete():
        async def logic(context: TurnContext):
            sent = await context.send_activity("Deploy 4711 has begun")
            done = MessageFactory.text("Deploy 4711 is done")
            done.id = sent.id
            await context.update_activity(done)
            mistake = await context.send_activity("a mistake")
            await context.delete_activity(mistake.id)

        await proactively(ada["conversation_id"], logic)
        updated, deleted = (await said(ada["id"]))[-2:]
        same([updated["activity"]["text"], updated["edits"]], ["Deploy 4711 is done", 1], "the updated message")
        check(deleted["deleted"], "the message is not deleted")

    async def card():
        sent = []

        async def logic(context: TurnContext):
            activity = MessageFactory.attachment(CardFactory.adaptive_card(CARD))
            sent.append(await context.send_activity(activity))

        await proactively(cleo["conversation_id"], logic)
        same((await last(cleo["id"]))["activity"]["attachments"][0]["content"], CARD, "the card")
        answer = await clicks(cleo, sent[0].id)
        same([answer["statusCode"], answer["value"]], [200, APPROVED], "the answer to the button")

    async def create():
        async def logic(context: TurnContext):
            same(context.activity.conversation.id, ben["conversation_id"], "the chat")
            await context.send_activity("Hello from a new chat")

        parameters = ConversationParameters(
            is_group=False, bot=ChannelAccount(id=Config.APP_ID), members=[ChannelAccount(id=ben["id"])], tenant_id=tenant
        )
        await ADAPTER.create_conversation(Config.APP_ID, logic, parameters, "msteams", service_url)
        same((await last(ben["id"]))["activity"]["text"], "Hello from a new chat", "what was sent")

    async def thread():
        async def logic(context: TurnContext):
            reference, made = await TeamsInfo.send_message_to_teams_channel(
                context, MessageFactory.text("Incident 4711"), channel, bot_app_id=Config.APP_ID
            )

            async def answer(context: TurnContext):
                await context.send_activity("Incident 4711 is closed")

            await ADAPTER.continue_conversation(reference, answer, Config.APP_ID)
            root, reply = (await said(channel))[-2:]
            same(reference.conversation.id, f"{channel};messageid={root['id']}", "the thread")
            same(reply["reply_to"], root["id"], "the root of the answer")

        await proactively(ada["conversation_id"], logic)

    async def lookups():
        # Only in the turn of an event: it wants channelData, which a stored reference does not have.
        await sim(f"people/{ada['id']}/says", {"text": "who am I?"})
        same([BOT.member.id, BOT.member.name], [ada["mri"], ada["name"]], "the member")

        async def many(context: TurnContext):
            page = await TeamsInfo.get_paged_team_members(context, team["id"], page_size=50)
            same(len(page.members), team["members"], "members by page")
            same(len(await TeamsInfo.get_team_members(context, team["id"])), team["members"], "members")
            details = await TeamsInfo.get_team_details(context, team["id"])
            same([details.id, details.aad_group_id], [team["id"], team["aadGroupId"]], "the team")
            channels = await TeamsInfo.get_team_channels(context, team["id"])
            same(sorted(each.id for each in channels), sorted(each["id"] for each in team["channels"]), "its channels")

        await proactively(team["id"], many)

    async def refusal():
        async def logic(context: TurnContext):
            await context.send_activity("Anyone there?")

        await sim(f"people/{ben['id']}", {"state": "blocked"}, "PATCH")
        error = await refused(proactively(ben["conversation_id"], logic), "a send to who blocked")
        same([error.response.status_code, error.error.error.code], [403, "ConversationBlockedByUser"], "the error")

    await step("events are believed and give references", events)
    await step("forged events are refused", lambda: forgeries(lambda: BOT.seen, ["a key endorsed for no channel"]))
    await step("answers a message", message)
    await step("continue_conversation: send, update, delete", send_update_delete)
    await step("a card with a button, and its invoke", card)
    await step("create_conversation: 1:1 by object id", create)
    await step("send_message_to_teams_channel: a thread and an answer in it", thread)
    await step("members, one by one, by page and of the team; the team and its channels", lookups)
    await step("a refusal keeps its status and code", refusal)
    finish()


asyncio.run(judge())
