"""What every judge does around its SDK: the simulator's control API, and steps that print one JSON line each.

The twin of node/judge.mjs. No SDK is imported here.
"""

import json
import os
import sys
import traceback
from asyncio import sleep
from urllib.parse import quote

import aiohttp

PORT = int(os.environ.get("PORT", "0"))
CARD = {
    "type": "AdaptiveCard",
    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
    "version": "1.4",
    "body": [{"type": "TextBlock", "text": "Deploy 4711?", "wrap": True}],
    "actions": [
        {"type": "Action.Execute", "title": "Approve", "verb": "approve", "id": "approve", "data": {"deploy": 4711}}
    ],
}

# Tokens that no bot may believe.
FORGERIES = {
    "no token": {"omit": ["authorization"]},
    "a key of nobody": {"kid": "foreign"},
    "the signature of another key": {"kid": "mismatch"},
    "the public key as a secret": {"alg": "HS256"},
    "no signature": {"alg": "none"},
    "another bot's": {"aud": "00000000-0000-0000-0000-000000000001"},
    "long over": {"exp_s": -3600, "nbf_s": -7200},
    "another issuer": {"iss": "https://login.example"},
    "another service URL": {"serviceurl": "https://elsewhere.example/teams/"},
    "a key endorsed for no channel": {"kid": "unendorsed"},
}

_failed = 0


async def sim(path, body=None, method=None):
    """A call of the control API: `await sim("people")`, `await sim("settings", {"limits": False}, "PATCH")`."""
    method = method or ("GET" if body is None else "POST")
    async with aiohttp.ClientSession() as session:
        async with session.request(method, f"{os.environ['SIM']}/sim/{path}", json=body) as answer:
            text = await answer.text()
            if answer.status >= 300:
                raise AssertionError(f"{method} /sim/{path}: {answer.status} {text}")
            return json.loads(text)


def _say(step, ok, detail):
    print(json.dumps({"step": step, "ok": ok, "detail": detail}, default=str), flush=True)


async def step(name, work):
    """One step: its line says whether what it did held. What it gives back is for the steps after it."""
    global _failed
    try:
        value = await work()
        _say(name, True, value)
        return value
    except Exception as error:  # whatever an SDK throws
        _failed += 1
        _say(name, False, "".join(traceback.format_exception(error)))
        return None


def finish():
    """The last line of every judge."""
    _say("finished", _failed == 0, {"failed": _failed})
    sys.stdout.flush()
    os._exit(1 if _failed else 0)


def check(held, what):
    if not held:
        raise AssertionError(what)


def same(has, wanted, what):
    check(has == wanted, f"{what}: {has!r} is not {wanted!r}")


async def refused(call, what):
    """The call is refused; gives the error, for a look at its status and code."""
    try:
        await call
    except Exception as error:
        return error
    raise AssertionError(f"{what} was not refused")


async def everybody_installs(team):
    """Everybody has the app, in the first team as well; comes back when the bot has answered all events."""
    await sim("policy-install", {})
    await sim(f"teams/{quote(team['id'], safe='')}/install", {})
    while (events := await sim("events"))["pending"]:
        await sleep(0.02)
    return events["answered"]


async def said(conversation):
    """What the app said in a chat or channel, as the simulator has it."""
    page = await sim(f"conversations/{quote(conversation, safe='')}/messages")
    return [message for message in page["items"] if message["from"] == "bot"]


async def last(conversation):
    return (await said(conversation))[-1]


async def forgeries(seen, not_checked=()):
    """Posts forged events at the bot: each must be refused, and none may come through to `seen()`.

    `not_checked` names those that this SDK lets in: it does not look at what is wrong with them.
    """
    before, answers = seen(), {}
    for name, token in FORGERIES.items():
        activity = {"type": "message", "text": f"forged: {name}"}
        answer = await sim("activities", {"activity": activity, "token": token})
        answers[name] = answer["status"]
        what = f"an event with {name}, answered {answer['status']} {answer['body']}: taken"
        same(answer["status"] < 300, name in not_checked, what)
    same(seen() - before, len(not_checked), "events that came through")
    return answers


async def clicks(person, message):
    """A person clicks the button of the card; the bot's answer."""
    action = {"type": "Action.Execute", "id": "approve"}
    answer = await sim(f"people/{person['id']}/acts", {"message": message, "action": action})
    same([answer["status"], answer["problem"]], [200, None], f"the answer to a click: {answer}")
    return answer["body"]
