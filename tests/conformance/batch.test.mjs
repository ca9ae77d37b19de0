// Several messages in one call: each is made or refused by itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, call, checkSignature, limit, startDestination, startScheduler } from './support.mjs';

const server = await startScheduler();
const destination = await startDestination();
const { client } = server;

test('every message of a batch is delivered, with its own settings', limit, async () => {
    const [one, two] = [destination.fresh('?x=1'), destination.fresh()];
    const made = await client.batch([
        { url: one.url, body: 'wörk', method: 'PUT', headers: { 'X-A': '1' } },
        { url: two.url, body: 'later', delay: 1 },
    ]);
    assert.equal(made.length, 2);
    const first = await destination.arrival(one.path);
    assert.equal(first.headers['upstash-message-id'], made[0].messageId);
    assert.equal(first.method, 'PUT');
    assert.equal(first.headers['x-a'], '1');
    assert.equal(first.body.toString(), 'wörk');
    await checkSignature(first, server.keys, one.url);
    const second = await destination.arrival(two.path);
    assert.equal(second.headers['upstash-message-id'], made[1].messageId);
    assert.equal(second.body.toString(), 'later');
    assert.ok(second.at - first.at > 500, 'the delay of the one is not that of the other');
});

test('a batch of JSON says so to its destinations', limit, async () => {
    const { path, url } = destination.fresh();
    const [{ messageId }] = await client.batchJSON([{ url, body: { a: ['ö'] } }]);
    const arrived = await destination.arrival(path);
    assert.equal(arrived.headers['upstash-message-id'], messageId);
    assert.equal(arrived.headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(arrived.body.toString()), { a: ['ö'] });
});

test('nulls count as nothing, as one client sends them', limit, async () => {
    const { path, url } = destination.fresh();
    const { status, json } = await call(server, 'POST', '/v2/batch', {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([{ destination: url, headers: {}, body: null, queue: null }]),
    });
    assert.equal(status, 200);
    const arrived = await destination.arrival(path);
    assert.equal(arrived.headers['upstash-message-id'], json[0].messageId);
    assert.equal(arrived.body.length, 0);
});

test('what is refused is told in its place, and the others go on', limit, async () => {
    const { path, url } = destination.fresh();
    const made = await client.batch([
        { url: 'http://example.com/', body: 'x' },
        { url, body: 'x' },
        { url, body: 'x', queueName: 'q' },
        { url, body: 'x', flowControl: { key: 'key', parallelism: 1 } },
    ]);
    assert.deepEqual(made.map((item) => typeof item.error), ['string', 'undefined', 'string', 'string']);
    assert.match(made[2].error, /not part of this server/);
    await destination.arrival(path);
    assert.equal(destination.at(path).length, 1);
});

test('a deduplication id holds within a batch', limit, async () => {
    const { path, url } = destination.fresh();
    const message = { url, body: 'x', deduplicationId: 'once' };
    const [first, second] = await client.batch([message, message]);
    assert.equal(second.messageId, first.messageId);
    assert.equal(second.deduplicated, true);
    await destination.arrival(path);
});

test('a batch that is too large, or none, is refused as a whole', limit, async () => {
    const { path, url } = destination.fresh();
    const many = JSON.stringify(Array.from({ length: 101 }, () => ({ destination: url })));
    for (const body of [many, '{}', 'x']) assertRefused(await call(server, 'POST', '/v2/batch', { body }), 400);
    assert.equal(destination.at(path).length, 0);
});

test('an empty batch is an empty list', limit, async () => {
    assert.deepEqual((await call(server, 'POST', '/v2/batch', { body: '[]' })).json, []);
});
