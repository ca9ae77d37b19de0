// The log of what happened to each message, under both of its names.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, limit, logUntil, sleep, startDestination, startScheduler } from './support.mjs';

const server = await startScheduler();
const destination = await startDestination();
const { client } = server;

test('an empty log is an empty list under both names', limit, async () => {
    for (const target of ['/v2/logs', '/v2/events']) {
        const { json } = await call(server, 'GET', target);
        assert.deepEqual(json.events, []);
        assert.deepEqual(json.logs, []);
        assert.ok(!json.cursor);
    }
});

test('a delivery is created, active, delivered', limit, async () => {
    const { url } = destination.fresh('?x=1');
    const began = Date.now();
    const headers = { 'X-A': '1' };
    const { messageId } = await client.publish({ url, body: 'x', method: 'PUT', label: 'one', headers });
    const entries = await logUntil(server, messageId, 'DELIVERED');
    assert.deepEqual(entries.map(({ state }) => state), ['CREATED', 'ACTIVE', 'DELIVERED']);
    for (const entry of entries) {
        assert.equal(entry.messageId, messageId);
        assert.equal(entry.url, url);
        assert.equal(entry.label, 'one');
        assert.ok(entry.time >= began - 1000 && entry.time <= Date.now() + 1000, 'milliseconds');
    }
    const times = entries.map(({ time }) => time);
    assert.deepEqual(times, [...times].sort((a, b) => a - b));
    assert.equal(entries[0].method, 'PUT');
    assert.deepEqual(entries[0].header['X-A'], ['1']);
});

test('a failure shows the answer, the next attempt, and the end', limit, async () => {
    const { path, url } = destination.fresh();
    destination.answer(path, { status: 418, headers: { 'x-why': 'teapot' }, body: 'bröken' });
    const { messageId } = await client.publish({ url, body: 'x', retries: 1, retryDelay: '300' });
    const entries = await logUntil(server, messageId, 'FAILED');
    assert.deepEqual(entries.map(({ state }) => state).filter((state) => state !== 'ACTIVE'),
        ['CREATED', 'ERROR', 'RETRY', 'ERROR', 'FAILED']);
    const error = entries.find(({ state }) => state === 'ERROR');
    assert.equal(error.responseStatus, 418);
    assert.equal(Buffer.from(error.responseBody, 'base64').toString(), 'bröken');
    assert.deepEqual((error.responseHeader ?? error.responseHeaders)['X-Why'], ['teapot']);
    const retry = entries.find(({ state }) => state === 'RETRY');
    assert.ok(retry.nextDeliveryTime > retry.time && retry.nextDeliveryTime < retry.time + 5000);
});

test('both paths say the same, in both lists, in any case', limit, async () => {
    const { url } = destination.fresh();
    const { messageId } = await client.publish({ url, body: 'x' });
    await logUntil(server, messageId, 'DELIVERED');
    const [logs, events, shouted] = await Promise.all(
        ['/v2/logs', '/v2/events', '/V2/Events'].map((path) => call(server, 'GET', `${path}?messageId=${messageId}`)));
    assert.equal(logs.json.logs.length, 3);
    assert.deepEqual(logs.json.logs, logs.json.events);
    assert.deepEqual(logs.json, events.json);
    assert.deepEqual(logs.json, shouted.json);
    const old_name = await client.events({ filter: { messageId } });
    assert.equal(old_name.events.length, 3);
});

test('entries are found by what they say', limit, async () => {
    const { path, url } = destination.fresh();
    destination.answer(path, { status: 500 });
    const before = Date.now() - 1;
    const { messageId } = await client.publish({ url, body: 'x', retries: 0, label: 'found' });
    const other = await client.publish({ url: destination.fresh().url, body: 'x' });
    await logUntil(server, messageId, 'FAILED');
    await logUntil(server, other.messageId, 'DELIVERED');
    const found = async (filter) => (await client.logs({ filter })).logs;
    assert.deepEqual((await found({ messageId, state: 'FAILED' })).map(({ state }) => state), ['FAILED']);
    for (const filter of [{ url }, { label: 'found' }, { messageId, fromDate: before }]) {
        const entries = await found(filter);
        assert.ok(entries.length >= 3, JSON.stringify(filter));
        assert.ok(entries.every((entry) => entry.messageId === messageId), JSON.stringify(filter));
    }
    assert.deepEqual(await found({ messageId, toDate: before }), []);
    assert.deepEqual(await found({ label: 'nobody' }), []);
    const both = (await client.logs({ messageIds: [messageId, other.messageId] })).logs;
    assert.deepEqual(new Set(both.map((entry) => entry.messageId)), new Set([messageId, other.messageId]));
});

test('the newest comes first, page by page, nothing twice and nothing left out', limit, async () => {
    const label = 'paged';
    for (let i = 0; i < 4; ++i) {
        const { messageId } = await client.publish({ url: destination.fresh().url, body: 'x', label });
        await logUntil(server, messageId, 'DELIVERED');
    }
    await sleep(200);
    const whole = (await client.logs({ filter: { label } })).logs;
    assert.equal(whole.length, 12);
    const times = whole.map(({ time }) => time);
    assert.deepEqual(times, [...times].sort((a, b) => b - a));
    const paged = [];
    let cursor;
    for (let pages = 0; pages < 5; ++pages) {
        const page = await client.logs({ count: 5, cursor, filter: { label } });
        assert.ok(page.logs.length <= 5);
        paged.push(...page.logs);
        cursor = page.cursor;
        if (!cursor) break;
    }
    assert.ok(!cursor, 'the last page has no cursor');
    assert.deepEqual(paged, whole);
});

test('a count that is too large is cut down, not refused', limit, async () => {
    const { status } = await call(server, 'GET', '/v2/logs?count=100000');
    assert.equal(status, 200);
});
