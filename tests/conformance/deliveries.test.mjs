// What becomes of a message after an attempt: retries, permanent failure, timeouts, callbacks, cancelling.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import {
    assertRefused, call, checkSignature, deadLetter, errorOf, eventually, limit, logUntil, sleep, startDestination,
    startScheduler,
} from './support.mjs';

let server = await startScheduler();
const destination = await startDestination();
const json = (request) => JSON.parse(request.body.toString());
const decoded = (text) => Buffer.from(text, 'base64').toString();

test('a failed message is tried again under the same id, each time signed anew', limit, async () => {
    const { path, url } = destination.fresh();
    destination.answer(path, { status: 500 }, { status: 404 }, { status: 200 });
    const { messageId } = await server.client.publish({ url, body: 'again', retries: 3, retryDelay: '100' });
    const arrived = await destination.arrivals(path, 3);
    assert.deepEqual(arrived.map(({ headers }) => headers['upstash-retried']), ['0', '1', '2']);
    for (const one of arrived) {
        assert.equal(one.headers['upstash-message-id'], messageId);
        assert.equal(one.body.toString(), 'again');
    }
    const claims = await Promise.all(arrived.map((one) => checkSignature(one, server.keys, url)));
    assert.equal(new Set(claims.map(({ jti }) => jti)).size, 3);
    await logUntil(server, messageId, 'DELIVERED');
    await sleep(400);
    assert.equal(destination.at(path).length, 3);
});

test('the number of retries is kept to, and the default is three', limit, async () => {
    const never = destination.fresh();
    const often = destination.fresh();
    for (const { path } of [never, often]) destination.answer(path, { status: 500 });
    const first = await server.client.publish({ url: never.url, body: 'x', retries: 0 });
    const second = await server.client.publish({ url: often.url, body: 'x', retryDelay: '50' });
    await deadLetter(server, first.messageId);
    const entry = await deadLetter(server, second.messageId);
    assert.equal(destination.at(never.path).length, 1);
    assert.equal(destination.at(often.path).length, 4);
    assert.equal(entry.maxRetries, 3);
});

test('without an expression the first retry comes after 12 seconds', limit, async () => {
    const { path, url } = destination.fresh();
    destination.answer(path, { status: 500 }, { status: 200 });
    await server.client.publish({ url, body: 'x' });
    const [first, second] = await destination.arrivals(path, 2, 30_000);
    assert.ok(second.at - first.at >= 11_900 && second.at - first.at < 17_000, `${second.at - first.at} ms`);
});

test('the retry delay is an expression over the retries so far', limit, async () => {
    const { path, url } = destination.fresh();
    destination.answer(path, { status: 500 });
    await server.client.publish({ url, body: 'x', retries: 2, retryDelay: 'max(600, pow(2, retried) * 900)' });
    const at = (await destination.arrivals(path, 3)).map((one) => one.at);
    assert.ok(at[1] - at[0] >= 880 && at[1] - at[0] < 1780, `${at[1] - at[0]} ms`);
    assert.ok(at[2] - at[1] >= 1780 && at[2] - at[1] < 4000, `${at[2] - at[1]} ms`);
});

const waits = {
    'Retry-After in seconds': { 'retry-after': '2' },
    'Retry-After as a duration': { 'retry-after': '2s' },
    'X-RateLimit-Reset': { 'x-ratelimit-reset': '2' },
};
for (const [what, headers] of Object.entries(waits))
    test(`the answer says when to try again: ${what}`, limit, async () => {
        const { path, url } = destination.fresh();
        destination.answer(path, { status: 429, headers }, { status: 200 });
        await server.client.publish({ url, body: 'x', retries: 1, retryDelay: '40000' });
        const [first, second] = await destination.arrivals(path, 2);
        assert.ok(second.at - first.at >= 1900 && second.at - first.at < 8000, `${second.at - first.at} ms`);
    });

test('489 with Upstash-NonRetryable-Error fails at once', limit, async () => {
    const { path, url } = destination.fresh();
    destination.answer(path, { status: 489, headers: { 'upstash-nonretryable-error': 'true' }, body: 'no way' });
    const { messageId } = await server.client.publish({ url, body: 'x', retries: 5, retryDelay: '50' });
    const entry = await deadLetter(server, messageId);
    assert.equal(entry.responseStatus, 489);
    await sleep(600);
    assert.equal(destination.at(path).length, 1);
});

test('489 alone is tried again', limit, async () => {
    const { path, url } = destination.fresh();
    destination.answer(path, { status: 489 }, { status: 200 });
    await server.client.publish({ url, body: 'x', retries: 1, retryDelay: '50' });
    await destination.arrivals(path, 2);
});

test('a redirect is a failure, and is not followed', limit, async () => {
    const { path, url } = destination.fresh();
    const elsewhere = destination.fresh();
    destination.answer(path, { status: 302, headers: { location: elsewhere.url } });
    const { messageId } = await server.client.publish({ url, body: 'x', retries: 0 });
    assert.equal((await deadLetter(server, messageId)).responseStatus, 302);
    assert.equal(destination.at(elsewhere.path).length, 0);
});

for (const status of [200, 201, 202, 204, 299])
    test(`${status} is a success`, limit, async () => {
        const { path, url } = destination.fresh();
        destination.answer(path, { status, body: status === 204 ? undefined : 'ok' });
        const { messageId } = await server.client.publish({ url, body: 'x', retries: 0 });
        await logUntil(server, messageId, 'DELIVERED');
    });

test('an attempt ends at its timeout, and counts as failed', limit, async () => {
    const { path, url } = destination.fresh();
    destination.answer(path, { after_ms: 8000 }, { status: 200 });
    const began = Date.now();
    const { messageId } = await server.client.publish({ url, body: 'x', timeout: 1, retries: 1, retryDelay: '50' });
    const [, second] = await destination.arrivals(path, 2);
    assert.ok(second.at - began >= 1000 && second.at - began < 7000, `${second.at - began} ms`);
    const entries = await logUntil(server, messageId, 'DELIVERED');
    assert.match(entries.find(({ state }) => state === 'ERROR').error, /context deadline exceeded/);
});

test('a destination that nobody listens on is a failure like others', limit, async () => {
    const free = await new Promise((resolve) => {
        const listener = createServer().listen(0, '127.0.0.1', () => {
            const { port } = listener.address();
            listener.close(() => resolve(port));
        });
    });
    const url = `http://127.0.0.1:${free}/x`;
    const { messageId } = await server.client.publish({ url, body: 'x', retries: 1, retryDelay: '50' });
    const entry = await deadLetter(server, messageId);
    assert.ok(!entry.responseStatus);
    const entries = await logUntil(server, messageId, 'FAILED');
    assert.equal(entries.filter(({ state }) => state === 'ERROR').length >= 1, true);
    assert.ok(entries.find(({ state }) => state === 'ERROR').error.length > 0);
});

test('a callback reports the delivery, and is a signed message of its own', limit, async () => {
    const { path, url } = destination.fresh('?x=1');
    const callback = destination.fresh('?cb=1');
    destination.answer(path, { status: 201, headers: { 'x-result': 'yes' }, body: 'dóne' });
    const { messageId } = await server.client.publish({
        url, body: 'wörk', method: 'PUT', retries: 2, callback: callback.url,
        headers: {
            'X-Own': 'source', 'Content-Type': 'text/plain', 'Upstash-Callback-Forward-X-Mine': 'for the callback',
            'Upstash-Callback-Method': 'PATCH',
        },
    });
    const arrived = await destination.arrival(callback.path);
    await checkSignature(arrived, server.keys, callback.url);
    assert.equal(arrived.method, 'PATCH');
    assert.equal(arrived.headers['x-mine'], 'for the callback');
    assert.equal(arrived.headers['x-own'], undefined);
    assert.match(arrived.headers['content-type'], /^application\/json/);
    assert.match(arrived.headers['upstash-message-id'], /^msg_/);
    assert.notEqual(arrived.headers['upstash-message-id'], messageId);
    const report = json(arrived);
    const expected = {
        status: 201, retried: 0, maxRetries: 2, sourceMessageId: messageId, url, method: 'PUT', callerIP: '127.0.0.1',
    };
    for (const [name, value] of Object.entries(expected)) assert.deepEqual(report[name], value, name);
    assert.equal(decoded(report.body), 'dóne');
    assert.equal(decoded(report.sourceBody), 'wörk');
    assert.deepEqual(report.header['X-Result'], ['yes']);
    assert.deepEqual(report.sourceHeader['X-Own'], ['source']);
    assert.equal(typeof report.createdAt, 'number');
    assert.equal(typeof report.notBefore, 'number');
    assert.equal(report.dlqId, undefined);
    assert.equal(destination.at(path)[0].headers['x-mine'], undefined);
});

test('a callback comes after every attempt', limit, async () => {
    const { path, url } = destination.fresh();
    const callback = destination.fresh();
    const answers = [[500, 'one'], [503, 'two'], [200, 'three']];
    destination.answer(path, ...answers.map(([status, body]) => ({ status, body })));
    await server.client.publish({ url, body: 'x', retries: 3, retryDelay: '200', callback: callback.url });
    const reports = (await destination.arrivals(callback.path, 3)).map(json).sort((a, b) => a.retried - b.retried);
    assert.deepEqual(reports.map(({ retried }) => retried), [0, 1, 2]);
    assert.deepEqual(reports.map(({ status, body }) => [status, decoded(body)]), answers);
});

test('a failure callback comes once, when all is lost, and names the entry of the DLQ', limit, async () => {
    const { path, url } = destination.fresh();
    const failure = destination.fresh();
    destination.answer(path, { status: 500, body: 'bröken' });
    const { messageId } = await server.client.publish({
        url, body: 'x', retries: 1, retryDelay: '200', failureCallback: failure.url,
        headers: { 'Upstash-Failure-Callback-Forward-X-Mine': 'for the failure' },
    });
    const arrived = await destination.arrival(failure.path);
    assert.equal(destination.at(path).length, 2);
    await checkSignature(arrived, server.keys, failure.url);
    assert.equal(arrived.headers['x-mine'], 'for the failure');
    const report = json(arrived);
    const entry = await deadLetter(server, messageId);
    assert.equal(report.dlqId, entry.dlqId);
    assert.equal(report.sourceMessageId, messageId);
    assert.equal(report.status, 500);
    assert.equal(report.retried, 1);
    assert.equal(decoded(report.body), 'bröken');
    await sleep(500);
    assert.equal(destination.at(failure.path).length, 1);
});

test('a failure callback stays away when a message is delivered', limit, async () => {
    const { path, url } = destination.fresh();
    const failure = destination.fresh();
    destination.answer(path, { status: 500 }, { status: 200 });
    const { messageId } = await server.client.publish({
        url, body: 'x', retryDelay: '50', failureCallback: failure.url,
    });
    await logUntil(server, messageId, 'DELIVERED');
    await sleep(500);
    assert.equal(destination.at(failure.path).length, 0);
});

test('a callback is tried again like any message', limit, async () => {
    const { url } = destination.fresh();
    const callback = destination.fresh();
    destination.answer(callback.path, { status: 500 }, { status: 200 });
    await server.client.publish({
        url, body: 'x', callback: callback.url,
        headers: { 'Upstash-Callback-Retries': '1', 'Upstash-Callback-Retry-Delay': '50' },
    });
    const arrived = await destination.arrivals(callback.path, 2);
    assert.equal(arrived[0].headers['upstash-message-id'], arrived[1].headers['upstash-message-id']);
});

test('a waiting message is shown', limit, async () => {
    const { url } = destination.fresh('?x=1');
    const began = Date.now();
    const { messageId } = await server.client.publish({
        url, body: 'wörk', method: 'PUT', delay: '2h', retries: 7, retryDelay: '1000', headers: { 'X-A': '1' },
        callback: `${url}&callback`, failureCallback: `${url}&failure`, label: 'waiting',
    });
    const message = await server.client.messages.get(messageId);
    const expected = {
        messageId, url, method: 'PUT', body: 'wörk', maxRetries: 7, retryDelayExpression: '1000', callerIP: '127.0.0.1',
        callback: `${url}&callback`, failureCallback: `${url}&failure`, label: 'waiting',
    };
    for (const [name, value] of Object.entries(expected)) assert.deepEqual(message[name], value, name);
    assert.deepEqual(message.header['X-A'], ['1']);
    assert.ok(message.createdAt >= began - 1000 && message.createdAt <= Date.now() + 1000);
    assert.ok(Math.abs(message.notBefore - message.createdAt - 7_200_000) < 2000);
    assert.equal((await call(server, 'GET', `/V2/Messages/${messageId}`)).json.messageId, messageId);
});

test('a cancelled message is never delivered', limit, async () => {
    const { path, url } = destination.fresh();
    const { messageId } = await server.client.publish({ url, body: 'x', delay: 3 });
    assert.equal((await server.client.messages.cancel(messageId)).cancelled, 1);
    const status = async () => (await call(server, 'GET', `/v2/messages/${messageId}`)).status;
    await eventually(async () => (await status()) === 404, 'the message to be gone');
    await eventually(async () => {
        const { logs } = await server.client.logs({ filter: { messageId } });
        return logs.some(({ state }) => state === 'CANCELED' || state === 'CANCEL_REQUESTED');
    }, 'the log to say so');
    await sleep(4000);
    assert.equal(destination.at(path).length, 0);
});

test('a message may be cancelled between two attempts', limit, async () => {
    const { path, url } = destination.fresh();
    destination.answer(path, { status: 500 });
    const { messageId } = await server.client.publish({ url, body: 'x', retries: 3, retryDelay: '2000' });
    await logUntil(server, messageId, 'RETRY');
    assert.equal((await server.client.messages.cancel(messageId)).cancelled, 1);
    await sleep(2500);
    assert.equal(destination.at(path).length, 1);
});

test('several messages are cancelled by their ids, by a filter, and all of them', limit, async () => {
    const { url } = destination.fresh();
    const publish = async (more = {}) =>
        (await server.client.publish({ url, body: 'x', delay: '1h', ...more })).messageId;
    const left = async (ids) => {
        const answers = await Promise.all(ids.map((id) => call(server, 'GET', `/v2/messages/${id}`)));
        return answers.map(({ status }) => status);
    };
    const ids = [await publish(), await publish({ label: 'bulk' }), await publish(), await publish(), await publish()];
    assert.equal((await server.client.messages.cancel([ids[0], 'msg_nobody'])).cancelled, 1);
    assert.equal((await server.client.messages.cancel({ filter: { label: 'bulk' } })).cancelled, 1);
    assert.deepEqual(await left(ids), [404, 404, 200, 200, 200]);
    await server.client.messages.delete(ids[2]);
    const answer = await call(server, 'DELETE', '/v2/messages', {
        headers: { 'content-type': 'application/json' }, body: JSON.stringify({ messageIds: [ids[3]] }),
    });
    assert.equal(answer.json?.cancelled, 1, 'older clients send the ids in the body');
    assert.deepEqual(await left(ids), [404, 404, 404, 404, 200]);
    assert.ok((await server.client.messages.cancel({ all: true })).cancelled >= 1);
    assert.deepEqual(await left(ids), [404, 404, 404, 404, 404]);
});

test('a message that is not there is neither shown nor cancelled', limit, async () => {
    assertRefused(await errorOf(server.client.messages.get('msg_nobody')), 404);
    assertRefused(await errorOf(server.client.messages.cancel('msg_nobody')), 404);
});

test('a restart forgets no message, whether it waits or was being delivered', { timeout: 120_000 }, async () => {
    const waiting = destination.fresh();
    const busy = destination.fresh();
    destination.answer(busy.path, { after_ms: 20_000 }, { status: 200 });
    await server.client.publish({ url: waiting.url, body: 'waits', delay: 4 });
    const { messageId } = await server.client.publish({
        url: busy.url, body: 'busy', timeout: '5s', retryDelay: '100',
    });
    await destination.arrival(busy.path);
    await server.kill();
    server = await startScheduler({ database: server.database, account: server.account });
    assert.equal((await destination.arrival(waiting.path)).body.toString(), 'waits');
    const again = (await destination.arrivals(busy.path, 2, 90_000))[1];
    assert.equal(again.headers['upstash-message-id'], messageId);
    await checkSignature(again, server.keys, busy.url);
});
