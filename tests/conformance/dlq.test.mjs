// The dead letter queue: what is in it, and how it gets out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
    assertRefused, call, checkSignature, deadLetter, errorOf, limit, startDestination, startScheduler,
} from './support.mjs';

const server = await startScheduler();
const destination = await startDestination();
const { dlq } = server.client;

/** A message that has failed for good. */
async function failed(more = {}, answer = { status: 500, body: 'bröken' }) {
    const { path, url } = destination.fresh();
    destination.answer(path, answer, { status: 200 });
    const { messageId } = await server.client.publish({ url, body: 'x', retries: 0, ...more });
    return { path, url, messageId, entry: await deadLetter(server, messageId) };
}

const ids = async (options) => (await dlq.listMessages(options)).messages.map(({ dlqId }) => dlqId);

test('an empty queue is an empty list', limit, async () => {
    const { json } = await call(server, 'GET', '/v2/dlq');
    assert.deepEqual(json.messages, []);
});

test('an entry shows the message and the last answer', limit, async () => {
    const { url, messageId, entry } = await failed({
        body: 'wörk', method: 'PUT', headers: { 'X-A': '1' }, label: 'lost' }, {
        status: 418, headers: { 'x-why': 'teapot' }, body: 'bröken' });
    assert.match(entry.dlqId, /^\d+-\d+$/);
    const expected = {
        messageId, url, method: 'PUT', body: 'wörk', responseStatus: 418, responseBody: 'bröken', label: 'lost',
    };
    for (const [name, value] of Object.entries(expected)) assert.deepEqual(entry[name], value, name);
    assert.deepEqual(entry.header['X-A'], ['1']);
    assert.deepEqual(entry.responseHeader['X-Why'], ['teapot']);
    assert.ok(Math.abs(entry.createdAt - Date.now()) < 60_000);
    const { json } = await call(server, 'GET', `/v2/dlq/${entry.dlqId}`);
    assert.equal(json.dlqId, entry.dlqId);
    assert.equal(json.responseBody, 'bröken');
});

test('a body or an answer that is no text is shown in base64', limit, async () => {
    const bytes = Buffer.from([0xff, 0, 0xfe]);
    const { entry } = await failed({ body: bytes }, { status: 500, body: bytes });
    assert.equal(entry.body, undefined);
    assert.equal(entry.bodyBase64, bytes.toString('base64'));
    assert.equal(entry.responseBodyBase64, bytes.toString('base64'));
});

test('the list is filtered, and given out in pages', limit, async () => {
    const { url, messageId, entry } = await failed({ label: 'page' }, { status: 503 });
    const more = [await failed({ label: 'page' }), await failed({ label: 'page' })].map((one) => one.entry.dlqId);
    assert.deepEqual(await ids({ filter: { messageId } }), [entry.dlqId]);
    assert.deepEqual(await ids({ filter: { url } }), [entry.dlqId]);
    assert.deepEqual(await ids({ filter: { label: 'page', responseStatus: 503 } }), [entry.dlqId]);
    assert.deepEqual(await ids({ dlqIds: [entry.dlqId] }), [entry.dlqId]);
    assert.deepEqual(await ids({ filter: { label: 'nobody' } }), []);

    const seen = [];
    let cursor;
    for (let pages = 0; pages < 5; ++pages) {
        const page = await dlq.listMessages({ count: 1, cursor, filter: { label: 'page' } });
        seen.push(...page.messages.map(({ dlqId }) => dlqId));
        cursor = page.cursor;
        if (!cursor) break;
    }
    assert.ok(!cursor, 'the last page has no cursor');
    assert.deepEqual(seen.sort(), [entry.dlqId, ...more].sort());
});

test('entries are deleted: one, several, and by older clients', limit, async () => {
    const entries = [];
    for (let i = 0; i < 5; ++i) entries.push((await failed()).entry.dlqId);
    assert.deepEqual(await dlq.delete(entries[0]), { deleted: 1 });
    assert.equal((await dlq.delete([entries[1], entries[2], '1-0'])).deleted, 2);
    const answer = await call(server, 'DELETE', '/v2/dlq', {
        headers: { 'content-type': 'application/json' }, body: JSON.stringify({ dlqIds: [entries[3]] }),
    });
    assert.equal(answer.json?.deleted, 1);
    const left = await ids();
    assert.deepEqual(entries.map((id) => left.includes(id)), [false, false, false, false, true]);
    assert.equal((await call(server, 'GET', `/v2/dlq/${entries[0]}`)).status, 404);
});

test('a retried entry is a new message with the same content, and leaves the queue', limit, async () => {
    const { path, url, messageId, entry } = await failed({ body: 'wörk', method: 'PUT', headers: { 'X-A': '1' } });
    const { responses } = await dlq.retry(entry.dlqId);
    assert.equal(responses.length, 1);
    assert.notEqual(responses[0].messageId, messageId);
    const [, arrived] = await destination.arrivals(path, 2);
    assert.equal(arrived.headers['upstash-message-id'], responses[0].messageId);
    assert.equal(arrived.headers['upstash-retried'], '0');
    assert.equal(arrived.headers['x-a'], '1');
    assert.equal(arrived.method, 'PUT');
    assert.equal(arrived.body.toString(), 'wörk');
    await checkSignature(arrived, server.keys, url);
    assert.ok(!(await ids()).includes(entry.dlqId));
});

test('one is retried by its path, several in one call', limit, async () => {
    const first = await failed();
    const answer = await call(server, 'POST', `/v2/dlq/retry/${first.entry.dlqId}`);
    assert.equal(answer.status, 201);
    assert.match(answer.json.messageId, /^msg_/);
    await destination.arrivals(first.path, 2);
    const more = [await failed(), await failed()];
    const { responses } = await dlq.retry(more.map(({ entry }) => entry.dlqId));
    assert.equal(new Set(responses.map(({ messageId }) => messageId)).size, 2);
    for (const { path } of more) await destination.arrivals(path, 2);
});

test('settings of the retry go before those of the message', limit, async () => {
    const { path, entry } = await failed({ headers: { 'X-A': 'old', 'X-B': 'kept' } });
    const answer = await call(server, 'POST', `/v2/dlq/retry/${entry.dlqId}`, { headers: { 'upstash-delay': '2s' } });
    assert.equal(answer.status, 201, answer.text);
    const began = Date.now();
    const [, arrived] = await destination.arrivals(path, 2);
    assert.ok(arrived.at - began > 1500, `${arrived.at - began} ms`);
    assert.equal(arrived.headers['x-b'], 'kept');
});

test('what is done to an entry that is not there answers 404', limit, async () => {
    assert.equal((await call(server, 'GET', '/v2/dlq/1-0')).status, 404);
    assertRefused(await errorOf(dlq.delete('1-0')), 404);
    assertRefused(await call(server, 'POST', '/v2/dlq/retry/1-0'), 404);
});

test('all entries are deleted at once', limit, async () => {
    await failed();
    assert.ok((await dlq.delete({ all: true })).deleted >= 1);
    assert.deepEqual(await ids(), []);
});
