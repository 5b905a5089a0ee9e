"""MSAL Python: every way to a token that a bot has, each tried at the Connector.

An authority that MSAL does not know makes it ask login.microsoftonline.com about it, unless it is told not to.
"""

import asyncio
import os

import msal
import requests
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1

from judge import check, finish, same, sim, step

CLIENT_ID, SECRET, TENANT = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], os.environ["TENANT_ID"]
SCOPES = ["https://api.botframework.com/.default"]
AUTHORITIES = {
    "its own authority": {"authority": f"https://login.microsoftonline.com/{TENANT}"},
    "an authority that it asks about": {"authority": f"https://localhost/{TENANT}"},
    "an authority that it does not ask about": {"authority": f"https://localhost/{TENANT}", "instance_discovery": False},
}
OWN = AUTHORITIES["its own authority"]


def acquire(credential, authority):
    app = msal.ConfidentialClientApplication(CLIENT_ID, client_credential=credential, **authority)
    return app.acquire_token_for_client(SCOPES)


def managed_identity(resource="https://api.botframework.com"):
    client = msal.ManagedIdentityClient(
        msal.UserAssignedManagedIdentity(client_id=CLIENT_ID), http_client=requests.Session()
    )
    return client.acquire_token_for_client(resource=resource)


async def judge():
    info, people = await sim("info"), (await sim("people"))["items"]
    calls = iter(people * 10)
    with open(os.environ["CERT_FILE"], encoding="ascii") as file:
        certificate = file.read()
    with open(os.environ["KEY_FILE"], encoding="ascii") as file:
        key = file.read()
    sha1 = x509.load_pem_x509_certificate(certificate.encode()).fingerprint(SHA1()).hex()

    def taken(result):
        """The Connector takes the token, too."""
        check(result.get("access_token") and result["token_type"] == "Bearer", result)
        check(3000 < result["expires_in"] <= 3600, result["expires_in"])
        # Each time another chat, each of which has limits.
        chat = next(calls)["conversation_id"]
        answer = requests.get(
            f"{info['service_url']}v3/conversations/{chat}/members",
            headers={"Authorization": f"Bearer {result['access_token']}"}, timeout=10,
        )
        same(answer.status_code, 200, answer.text)

    def tries(make):
        async def work():
            taken(make())

        return work

    for where, authority in AUTHORITIES.items():
        await step(f"secret, {where}", tries(lambda authority=authority: acquire(SECRET, authority)))
        by_thumbprint = {"private_key": key, "thumbprint": sha1}
        await step(
            f"certificate (RS256, x5t), {where}",
            tries(lambda authority=authority, credential=by_thumbprint: acquire(credential, authority)),
        )
    by_certificate = {"private_key": key, "public_certificate": certificate}
    await step("certificate (PS256, x5t#S256)", tries(lambda: acquire(by_certificate, OWN)))

    async def cached():
        app = msal.ConfidentialClientApplication(CLIENT_ID, client_credential=SECRET, **OWN)
        first, second = app.acquire_token_for_client(SCOPES), app.acquire_token_for_client(SCOPES)
        same([second["token_source"], second["access_token"]], ["cache", first["access_token"]], "the second token")

    async def wrong():
        result = acquire("wrong", OWN)
        same([result["error"], result["error_codes"]], ["invalid_client", [7000215]], result)

    def vouched_for():
        assertion = managed_identity("api://AzureADTokenExchange")["access_token"]
        return acquire({"client_assertion": assertion}, OWN)

    def with_environment(make, **values):
        async def work():
            os.environ.update(values)
            try:
                taken(make())
            finally:
                for name in values:
                    del os.environ[name]

        return work

    await step("one token serves many calls", cached)
    await step("a wrong secret", wrong)
    hosts = {
        "App Service": {"IDENTITY_ENDPOINT": info["identity_endpoint"], "IDENTITY_HEADER": info["identity_header"]},
        "IMDS": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": info["base"]},
    }
    for host, values in hosts.items():
        await step(f"managed identity, {host}", with_environment(managed_identity, **values))
        await step(f"an assertion of the managed identity, {host}", with_environment(vouched_for, **values))
    finish()


asyncio.run(judge())
