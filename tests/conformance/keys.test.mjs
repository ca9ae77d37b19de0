// Signing keys and their rotation, as the official receiver sees them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Receiver } from '@upstash/qstash';
import { assertRefused, call, checkSignature, limit, startDestination, startScheduler } from './support.mjs';

let server = await startScheduler();
const destination = await startDestination();
const configured = server.account.keys;
const show = async () => (await call(server, 'GET', '/v2/keys')).json;

async function delivery() {
    const { path, url } = destination.fresh();
    await server.client.publish({ url, body: 'x' });
    return { url, request: await destination.arrival(path) };
}

const receiverOf = ({ current, next }) =>
    new Receiver({ currentSigningKey: current, nextSigningKey: next, devMode: false });
const accepts = ({ request, url }, keys) =>
    receiverOf(keys)
        .verify({ signature: request.headers['upstash-signature'], body: request.body.toString(), url })
        .then(() => true, () => false);

test('the keys are those of the configuration, for whoever has the token', limit, async () => {
    assert.deepEqual(await show(), configured);
    assertRefused(await call(server, 'GET', '/v2/keys', { token: '' }), 401);
    assertRefused(await call(server, 'POST', '/v2/keys/rotate', { token: 'wrong' }), 401);
    assert.deepEqual(await show(), configured);
});

test('the receiver refuses what it should: another body, URL or key', limit, async () => {
    const { request, url } = await delivery();
    await checkSignature(request, configured, url);
    const receiver = receiverOf(configured);
    const signature = request.headers['upstash-signature'];
    await assert.rejects(receiver.verify({ signature, body: 'y', url }), /body hash does not match/);
    await assert.rejects(receiver.verify({ signature, body: 'x', url: `${url}/` }), /invalid subject/);
    assert.equal(await accepts({ request, url }, { current: 'sig_other', next: 'sig_another' }), false);
});

test('a receiver that knows both keys survives one rotation, and no second one', { timeout: 120_000 }, async () => {
    const first = (await call(server, 'POST', '/v2/keys/rotate')).json;
    assert.equal(first.current, configured.next);
    assert.match(first.next, /^sig_\w{20,}$/);
    assert.ok(![configured.current, configured.next].includes(first.next));
    assert.deepEqual(await show(), first);
    const after_one = await delivery();
    assert.equal(await accepts(after_one, configured), true, 'the old pair: its next key is the current one');
    assert.equal(await accepts(after_one, first), true);
    assert.equal(await accepts(after_one, { current: configured.current, next: configured.current }), false);

    await server.stop();
    server = await startScheduler({ database: server.database, account: server.account });
    assert.deepEqual(await show(), first, 'a restart does not bring the old keys back');

    const second = (await call(server, 'POST', '/v2/keys/rotate')).json;
    assert.equal(second.current, first.next);
    const after_two = await delivery();
    assert.equal(await accepts(after_two, configured), false);
    assert.equal(await accepts(after_two, first), true);
    assert.equal(await accepts(after_two, second), true);
});
