// What `tidesync serve` tells of a run that died, read with the library of Standard Webhooks.

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { eventually, limit, makeDatabase, migrate, signingKey, startDestination, startTidesync } from './support.mjs';

const secret = `whsec_${randomBytes(32).toString('base64')}`;
const slave = await makeDatabase('SLAVE');
const production = await makeDatabase('PROD');
for (const database of [slave, production]) await database.run('CREATE TABLE product (id int)'); // no key: refused
const destination = await startDestination();
const hook = destination.fresh('?token=t');
destination.answer(hook.path, { status: 500 }, { status: 200 });
const admin = randomUUID() + randomUUID();
const settings = {
    SLAVE_DATABASE_URL: slave.url, PROD_DATABASE_URL: production.url, TIDESYNC_PUBLIC_URL: 'https://sync.example.com',
    QSTASH_CURRENT_SIGNING_KEY: signingKey(), QSTASH_NEXT_SIGNING_KEY: signingKey(),
    TIDESYNC_ADMIN_TOKEN: admin, TIDESYNC_LISTEN: '127.0.0.1:0',
    TIDESYNC_ALARM_URL: hook.url, TIDESYNC_ALARM_SECRET: secret,
};
await migrate(settings);
const worker = await startTidesync(['serve'], settings);

test('an alarm passes the official library at every try, and nothing else does', limit, async () => {
    const answer = await fetch(`${worker.url}/api/background/sync/slave-to-prod`, {
        method: 'POST', headers: { authorization: `Bearer ${admin}` }, signal: AbortSignal.timeout(30_000),
    });
    const { run } = await answer.json();
    const [first, second] = await destination.arrivals(hook.path, 2, 40_000);
    const webhook = new Webhook(secret);
    for (const request of [first, second]) {
        const told = webhook.verify(request.body.toString(), request.headers);
        assert.equal(told.type, 'run.dead');
        assert.equal(told.data.run, run);
        assert.equal(told.data.error.code, 'plan_refused');
        assert.ok(Math.abs(Date.parse(told.timestamp) - Date.now()) < 120_000);
        assert.throws(() => webhook.verify(`${request.body} `, request.headers));
        assert.throws(() => webhook.verify(request.body.toString(), { ...request.headers, 'webhook-id': 'another' }));
        assert.throws(() => new Webhook(`whsec_${randomBytes(32).toString('base64')}`)
            .verify(request.body.toString(), request.headers));
    }
    assert.equal(first.headers['webhook-id'], second.headers['webhook-id']);
    await eventually(
        async () => (await production.run('SELECT sent_at IS NOT NULL FROM tidesync.alarm')) === 't', 'the alarm is sent');
    assert.equal(destination.at(hook.path).length, 2);
});
