// MSAL Node in three generations: every way to a token that a bot has, each tried at the Connector. An authority that
// MSAL does not know makes it ask login.microsoftonline.com about it, unless it is told to take it as it is.
import { execFile } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { check, finish, refused, same, sim, step } from './judge.mjs';

const { CERT_FILE, CLIENT_ID: clientId, CLIENT_SECRET: clientSecret, KEY_FILE, TENANT_ID: tenant } = process.env;
const SCOPE = 'https://api.botframework.com/.default';
const AUTHORITIES = {
  'its own authority': { authority: `https://login.microsoftonline.com/${tenant}` },
  'an authority that it asks about': { authority: `https://localhost/${tenant}` },
  'an authority that it is told of': { authority: `https://localhost/${tenant}`, knownAuthorities: ['localhost'] },
};

const certificate = new X509Certificate(readFileSync(CERT_FILE));
const privateKey = readFileSync(KEY_FILE, 'utf8');
const clientCertificate = {
  thumbprintSha256: createHash('sha256').update(certificate.raw).digest('hex'),
  privateKey,
};

const info = await sim('info');
const { items: people } = await sim('people');
let calls = 0;

/** The Connector takes the token, too. */
async function taken(result) {
  check(result?.accessToken && result.tokenType === 'Bearer', JSON.stringify(result));
  const life = (result.expiresOn - Date.now()) / 1000;
  check(life > 3000 && life <= 3600, `it expires in ${life} s`);
  // Each time another chat, each of which has limits.
  const { conversation_id: chat } = people[calls++ % people.length];
  const path = `v3/conversations/${encodeURIComponent(chat)}/members`;
  const answer = await fetch(info.service_url + path, { headers: { authorization: `Bearer ${result.accessToken}` } });
  same(answer.status, 200, await answer.text());
}

const [managed, resource] = process.argv.slice(2);
if (managed) {
  const { ManagedIdentityApplication } = await import(managed);
  const app = new ManagedIdentityApplication({ managedIdentityIdParams: { userAssignedClientId: clientId } });
  console.log(JSON.stringify(await app.acquireToken({ resource })));
  process.exit();
}

for (const name of ['msal-node-2', 'msal-node-5', 'msal-node-7']) {
  const { ConfidentialClientApplication } = await import(name);
  const client = (auth) => new ConfidentialClientApplication({ auth: { clientId, ...auth } });
  const acquire = (auth) => client(auth).acquireTokenByClientCredential({ scopes: [SCOPE] });

  for (const [where, authority] of Object.entries(AUTHORITIES)) {
    await step(`${name}: secret, ${where}`, async () => taken(await acquire({ clientSecret, ...authority })));
  }
  await step(`${name}: certificate (PS256)`, async () =>
    taken(await acquire({ clientCertificate, ...AUTHORITIES['its own authority'] })));
  await step(`${name}: certificate (PS256), an authority that it asks about`, async () =>
    taken(await acquire({ clientCertificate, ...AUTHORITIES['an authority that it asks about'] })));
  await step(`${name}: one token serves many calls`, async () => {
    const one = client({ clientSecret, ...AUTHORITIES['its own authority'] });
    const first = await one.acquireTokenByClientCredential({ scopes: [SCOPE] });
    const second = await one.acquireTokenByClientCredential({ scopes: [SCOPE] });
    same([second.fromCache, second.accessToken === first.accessToken], [true, true], 'from the cache, the same');
  });
  await step(`${name}: a wrong secret`, async () => {
    const error = await refused(
      () => acquire({ clientSecret: 'wrong', ...AUTHORITIES['its own authority'] }), 'a wrong secret');
    same([error.errorCode, error.errorMessage.includes('AADSTS7000215')], ['invalid_client', true], error.message);
  });

  // A process keeps to the kind of managed identity that it found first, so each has a process of its own.
  const kinds = {
    'App Service': { IDENTITY_ENDPOINT: info.identity_endpoint, IDENTITY_HEADER: info.identity_header },
    IMDS: { AZURE_POD_IDENTITY_AUTHORITY_HOST: info.base },
  };
  for (const [kind, env] of Object.entries(kinds)) {
    const identity = async (of) => {
      const { stdout } = await promisify(execFile)(
        process.execPath, [import.meta.filename, name, of], { env: { ...process.env, ...env } });
      const result = JSON.parse(stdout);
      return { ...result, expiresOn: new Date(result.expiresOn) };
    };
    await step(`${name}: managed identity, ${kind}`, async () => taken(await identity('https://api.botframework.com')));
    await step(`${name}: an assertion of the managed identity, ${kind}`, async () => {
      const clientAssertion = async () => (await identity('api://AzureADTokenExchange')).accessToken;
      await taken(await acquire({ clientAssertion, ...AUTHORITIES['its own authority'] }));
    });
  }
}

finish();
