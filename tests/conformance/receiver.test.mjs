// The other direction: messages signed by the rules, with a JOSE library that is not ours, sent to `tidesync serve`.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { SignJWT, UnsecuredJWT } from 'jose';
import { bodyHash, eventually, limit, makeDatabase, migrate, signingKey, startTidesync } from './support.mjs';

const route = '/api/background/sync/slave-to-prod';
const publicUrl = 'https://sync.example.com';
const keys = { current: signingKey(), next: signingKey() };
const dryRun = '{"dry_run":true}';

const slave = await makeDatabase('SLAVE');
const production = await makeDatabase('PROD');
for (const database of [slave, production])
    await database.run('CREATE TABLE product (id int PRIMARY KEY, name text NOT NULL)');
await slave.run("INSERT INTO product VALUES (1, 'one'), (2, 'two')");
const settings = {
    SLAVE_DATABASE_URL: slave.url, PROD_DATABASE_URL: production.url, TIDESYNC_PUBLIC_URL: publicUrl,
    QSTASH_CURRENT_SIGNING_KEY: keys.current, QSTASH_NEXT_SIGNING_KEY: keys.next,
    TIDESYNC_ADMIN_TOKEN: randomUUID() + randomUUID(), TIDESYNC_LISTEN: '127.0.0.1:0',
};
await migrate(settings);
const worker = await startTidesync(['serve'], settings);

const now = () => Math.floor(Date.now() / 1000);

/** The claims of a genuine delivery of `body`, and what a test changes about them. */
function claims(body, changes = {}) {
    const made = {
        iss: 'Upstash', sub: publicUrl + route, exp: now() + 300, nbf: 0, iat: now(), jti: `jwt_${randomUUID()}`,
        body: `${bodyHash(body)}=`, ...changes,
    };
    return Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined));
}

const sign = (payload, key = keys.current, header = { alg: 'HS256', typ: 'JWT' }) =>
    new SignJWT(payload).setProtectedHeader(header).sign(Buffer.from(key));

async function deliver(signature, body = dryRun, target = route) {
    const response = await fetch(worker.url + target, {
        method: 'POST', body, signal: AbortSignal.timeout(30_000),
        headers: {
            'content-type': 'application/json', 'user-agent': 'Upstash-QStash',
            'upstash-message-id': `msg_${randomUUID()}`, 'upstash-retried': '0',
            ...(signature === undefined ? {} : { 'upstash-signature': signature }),
        },
    });
    return { status: response.status, text: await response.text() };
}

const accepted = {
    'signed with the current key': () => sign(claims(dryRun)),
    'signed with the next key': () => sign(claims(dryRun), keys.next),
    'with the hash of the body unpadded': () => sign(claims(dryRun, { body: bodyHash(dryRun) })),
    'with nbf equal to iat': () => sign(claims(dryRun, { nbf: now() })),
    'without nbf': () => sign(claims(dryRun, { nbf: undefined })),
    'with an empty aud': () => sign(claims(dryRun, { aud: '' })),
    'without typ': () => sign(claims(dryRun), keys.current, { alg: 'HS256' }),
};
for (const [how, make] of Object.entries(accepted))
    test(`a message ${how} is accepted`, limit, async () => {
        const answer = await deliver(await make());
        assert.equal(answer.status, 200, answer.text);
        assert.equal(JSON.parse(answer.text).success, true);
    });

test('a message is hashed as it came, not as JSON means it', limit, async () => {
    const body = '\t{ "dry_run" : true }\r\n';
    const answer = await deliver(await sign(claims(body)), body);
    assert.equal(answer.status, 200, answer.text);
});

test('the query belongs to the URL that is signed', limit, async () => {
    const target = `${route}?from=a%20b&x=1`;
    const answer = await deliver(await sign(claims(dryRun, { sub: publicUrl + target })), dryRun, target);
    assert.equal(answer.status, 200, answer.text);
});

/** The same token with a later end. */
function changed(token) {
    const [header, payload, mac] = token.split('.');
    const later = { ...JSON.parse(Buffer.from(payload, 'base64url')), exp: now() + 400 };
    return [header, Buffer.from(JSON.stringify(later)).toString('base64url'), mac].join('.');
}

const hs512 = { alg: 'HS512', typ: 'JWT' };
const refused = {
    'without a signature': ['no credential', () => undefined],
    'signed with another key': ['wrong_key', () => sign(claims(dryRun), signingKey())],
    'with alg none': ['wrong_algorithm', () => new UnsecuredJWT(claims(dryRun)).encode()],
    'with HS512 under the right key': ['wrong_algorithm', () => sign(claims(dryRun), keys.current, hs512)],
    'from another issuer': ['wrong_issuer', () => sign(claims(dryRun, { iss: 'upstash' }))],
    'without issuer': ['wrong_issuer', () => sign(claims(dryRun, { iss: undefined }))],
    'that has expired': ['expired', () => sign(claims(dryRun, { iat: now() - 400, exp: now() - 100 }))],
    'without exp': ['malformed', () => sign(claims(dryRun, { exp: undefined }))],
    'that is not valid yet': ['not_yet_valid', () => sign(claims(dryRun, { nbf: now() + 100 }))],
    'for another body': ['body_mismatch', () => sign(claims('{"dry_run":false}'))],
    'without the hash of the body': ['malformed', () => sign(claims(dryRun, { body: undefined }))],
    'for another URL': ['url_mismatch', () => sign(claims(dryRun, { sub: `${publicUrl}/another` }))],
    'for the URL and a slash': ['url_mismatch', () => sign(claims(dryRun, { sub: `${publicUrl}${route}/` }))],
    'that lives longer than ten minutes': ['life_too_long', () => sign(claims(dryRun, { exp: now() + 660 }))],
    'whose header asks for an extension': [
        'wrong_algorithm', () => sign(claims(dryRun), keys.current, { alg: 'HS256', typ: 'JWT', kid: 'mine' })],
    'whose claims were changed after signing': ['wrong_key', async () => changed(await sign(claims(dryRun)))],
};
for (const [what, [reason, make]] of Object.entries(refused))
    test(`a message ${what} is refused`, limit, async () => {
        const before = worker.log().length;
        const answer = await deliver(await make());
        assert.equal(answer.status, 401, answer.text);
        assert.ok(!answer.text.includes(reason), 'the sender is told why');
        await eventually(() => worker.log().slice(before).includes(reason), `the log to say ${reason}`, 10_000);
    });

test('what was refused made no run, and a token does not open twice', limit, async () => {
    const runs = () => production.run('SELECT count(*) FROM tidesync.run');
    const signature = await sign(claims(dryRun));
    assert.equal((await deliver(signature)).status, 200);
    const before = await runs();
    assert.equal((await deliver(signature)).status, 401);
    assert.equal((await deliver(await sign(claims(dryRun), signingKey()))).status, 401);
    assert.equal(await runs(), before);
    assert.equal(await production.run('SELECT count(*) FROM product'), '0');
});
