// What this server does not do, it says with 501 and by name; what is no call of the API, with 404 and 405.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, call, errorOf, limit, rawCall, sleep, startDestination, startScheduler } from './support.mjs';

const server = await startScheduler();
const destination = await startDestination();
const { client } = server;
const nowhere = destination.fresh();
const url = nowhere.url;
const queue = client.queue({ queueName: 'q' });
const endpoints = [{ url, name: 'one' }];

const missing = {
    'queue.upsert': () => queue.upsert({ parallelism: 2 }),
    'queue.get': () => queue.get(),
    'queue.list': () => queue.list(),
    'queue.enqueue': () => queue.enqueue({ url, body: 'x' }),
    'queue.enqueueJSON': () => queue.enqueueJSON({ url, body: {} }),
    'queue.pause': () => queue.pause(),
    'queue.resume': () => queue.resume(),
    'queue.delete': () => queue.delete(),
    'urlGroups.addEndpoints': () => client.urlGroups.addEndpoints({ name: 'group', endpoints }),
    'urlGroups.removeEndpoints': () => client.urlGroups.removeEndpoints({ name: 'group', endpoints }),
    'urlGroups.list': () => client.urlGroups.list(),
    'urlGroups.get': () => client.urlGroups.get('group'),
    'urlGroups.delete': () => client.urlGroups.delete('group'),
    'flowControl.get': () => client.flowControl.get('key'),
    'flowControl.pause': () => client.flowControl.pause('key'),
    'flowControl.resume': () => client.flowControl.resume('key'),
    'flowControl.pin': () => client.flowControl.pin('key', { parallelism: 1 }),
    'flowControl.unpin': () => client.flowControl.unpin('key', { parallelism: true }),
    'flowControl.resetRate': () => client.flowControl.resetRate('key'),
    'flowControl.getGlobalParallelism': () => client.flowControl.getGlobalParallelism(),
    'publish with flow control': () => client.publish({ url, body: 'x', flowControl: { key: 'key', parallelism: 1 } }),
    'publish with redacted fields': () => client.publish({ url, body: 'x', redact: { body: true } }),
    'a schedule with flow control': () =>
        client.schedules.create({ destination: url, cron: '* * * * *', flowControl: { key: 'key', rate: 1 } }),
    'a schedule into a queue': () => client.schedules.create({ destination: url, cron: '* * * * *', queueName: 'q' }),
};
for (const [name, make] of Object.entries(missing))
    test(`not provided, and said so: ${name}`, limit, async () => {
        assertRefused(await errorOf(make()), 501);
    });

test('a URL group is no destination', limit, async () => {
    const error = await errorOf(client.publish({ urlGroup: 'group', body: 'x' }));
    assert.ok([400, 501].includes(error.status), `${error.status}`);
    assert.equal(typeof error.json?.error, 'string');
});

test('what was refused was not done in part', limit, async () => {
    await sleep(700);
    assert.equal(destination.at(nowhere.path).length, 0);
    assert.deepEqual(await client.schedules.list(), []);
    assert.deepEqual((await client.logs()).logs, []);
});

test('without the token nobody learns what is provided', limit, async () => {
    for (const name of ['queues', 'topics', 'schedules', 'dlq', 'logs', 'messages/msg_1', 'keys'])
        assertRefused(await call(server, 'GET', `/v2/${name}`, { token: '' }), 401, /unable to authenticate/);
});

test('another path is not found', limit, async () => {
    for (const target of ['/v2/nothing', '/v3/publish/x', '/v2/schedules/a/b/c'])
        assert.equal((await call(server, 'GET', target)).status, 404, target);
});

test('another method is not allowed', limit, async () => {
    for (const [method, target] of [['PUT', '/v2/schedules'], ['DELETE', '/v2/keys'], ['GET', '/v2/keys/rotate']])
        assert.equal((await call(server, method, target)).status, 405, `${method} ${target}`);
});

test('odd requests are refused, and the server goes on', limit, async () => {
    const odd = [
        ['POST', '/v2/publish/'], ['POST', '/v2/publish/http://'], ['POST', '/v2/schedules/%'], ['GET', '/v2/dlq/%zz'],
        ['POST', '/v2/publish/http://user:pass@127.0.0.1/x'], ['GET', `/v2/messages/${'x'.repeat(3000)}`],
        ['GET', "/v2/schedules/'%3B--"],
    ];
    for (const [method, target] of odd) {
        const { status, text } = await rawCall(server, method, target);
        assert.ok(status >= 400 && status < 500, `${method} ${target.slice(0, 60)}: ${status} ${text}`);
    }
    // Whether these are refused or read kindly is the server's choice; what it must not do is break.
    const strange = ['cursor=%00', 'cursor=x', 'count=x', 'count=-1', 'fromDate=x', 'state=SINGING', 'messageId=%FF'];
    for (const query of strange) {
        const { status, text } = await rawCall(server, 'GET', `/v2/logs?${query}`);
        assert.ok(status === 200 || (status >= 400 && status < 500), `${query}: ${status} ${text}`);
    }
    assert.equal((await call(server, 'GET', '/v2/keys')).status, 200);
});
