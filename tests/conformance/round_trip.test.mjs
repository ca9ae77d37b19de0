// The whole way: the official client asks our scheduler, which calls our worker, which checks who calls and syncs.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { deadLetter, limit, logUntil, makeDatabase, migrate, startScheduler, startTidesync } from './support.mjs';

const scheduler = await startScheduler();
const slave = await makeDatabase('SLAVE');
const production = await makeDatabase('PROD');
for (const database of [slave, production])
    await database.run('CREATE TABLE product (id int PRIMARY KEY, name text NOT NULL)');
await slave.run("INSERT INTO product VALUES (1, 'one'), (2, 'two')");

// The public URL belongs to what is signed, so the port must be known before the worker starts.
const port = await new Promise((resolve) => {
    const listener = createServer().listen(0, '127.0.0.1', () => {
        const found = listener.address().port;
        listener.close(() => resolve(found));
    });
});
const settings = {
    SLAVE_DATABASE_URL: slave.url, PROD_DATABASE_URL: production.url, TIDESYNC_PUBLIC_URL: `http://127.0.0.1:${port}`,
    QSTASH_CURRENT_SIGNING_KEY: scheduler.keys.current, QSTASH_NEXT_SIGNING_KEY: scheduler.keys.next,
    TIDESYNC_ADMIN_TOKEN: randomUUID() + randomUUID(), TIDESYNC_LISTEN: `127.0.0.1:${port}`,
};
await migrate(settings);
await startTidesync(['serve'], settings);
const url = `http://127.0.0.1:${port}/api/background/sync/slave-to-prod`;
const names = () => production.run('SELECT string_agg(name, $$,$$ ORDER BY id) FROM product');

test('a published message makes the worker sync', limit, async () => {
    const { messageId } = await scheduler.client.publishJSON({ url, body: {}, retries: 0 });
    await logUntil(scheduler, messageId, 'DELIVERED');
    assert.equal(await names(), 'one,two');
});

test('a message that can never succeed goes to the DLQ at once, with what the worker said', limit, async () => {
    const { messageId } = await scheduler.client.publishJSON({ url, body: { no_such_parameter: 1 }, retries: 3 });
    const entry = await deadLetter(scheduler, messageId, 10_000);
    assert.equal(entry.responseStatus, 489);
    assert.match(entry.responseBody, /parameter/);
});
