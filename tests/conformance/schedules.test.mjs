// Schedules: made, replaced, shown, paused, deleted, and what their ticks deliver.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
    assertRefused, call, checkSignature, errorOf, eventually, limit, logUntil, rawCall, startDestination,
    startScheduler,
} from './support.mjs';

let server = await startScheduler();
const destination = await startDestination();
const yearly = '0 4 1 1 *'; // does not tick while the tests run

test('a schedule shows what it was made of', limit, async () => {
    const { url } = destination.fresh('?x=1');
    const began = Date.now();
    const created = await server.client.schedules.create({
        destination: url, scheduleId: 'my.id-1_x', cron: 'CRON_TZ=Europe/Berlin 0 4 * * *', method: 'PUT',
        body: '{"hello":"wörld"}', headers: { 'X-Tenant': 'a b', 'Content-Type': 'application/json' },
        retries: 5, retryDelay: '1000 * (1 + retried)', timeout: '30s', delay: '1m30s', label: ['nightly', 'eu'],
        callback: `${url}&callback`, failureCallback: `${url}&failure`,
    });
    assert.deepEqual(created, { scheduleId: 'my.id-1_x' });
    const schedule = await server.client.schedules.get('my.id-1_x');
    const expected = {
        scheduleId: 'my.id-1_x', cron: 'CRON_TZ=Europe/Berlin 0 4 * * *', destination: url, method: 'PUT',
        body: '{"hello":"wörld"}', retries: 5, retryDelayExpression: '1000 * (1 + retried)', delay: 90, isPaused: false,
        label: 'nightly', labels: ['nightly', 'eu'], callback: `${url}&callback`, failureCallback: `${url}&failure`,
    };
    for (const [name, value] of Object.entries(expected)) assert.deepEqual(schedule[name], value, name);
    assert.deepEqual(schedule.header, { 'Content-Type': ['application/json'], 'X-Tenant': ['a b'] });
    assert.equal(schedule.callerIP, '127.0.0.1');
    assert.ok(schedule.createdAt >= began - 1000 && schedule.createdAt <= Date.now() + 1000, 'not milliseconds');
    assert.ok(schedule.nextScheduleTime > Date.now() && schedule.nextScheduleTime % 60_000 === 0);
    assert.ok(schedule.nextScheduleTime < Date.now() + 25 * 3_600_000);
    const next = new Date(schedule.nextScheduleTime);
    assert.equal(next.toLocaleTimeString('en-GB', { timeZone: 'Europe/Berlin' }), '04:00:00');
});

test('a schedule without anything special has the defaults', limit, async () => {
    const { url } = destination.fresh();
    const { scheduleId } = await server.client.schedules.create({ destination: url, cron: ` ${yearly} ` });
    assert.match(scheduleId, /^scd_\w+$/);
    const schedule = await server.client.schedules.get(scheduleId);
    assert.equal(schedule.cron, yearly);
    assert.equal(schedule.method, 'POST');
    assert.equal(schedule.retries, 3);
    assert.equal(schedule.isPaused, false);
    for (const name of ['body', 'bodyBase64', 'callback', 'failureCallback', 'label', 'labels', 'delay', 'queueName'])
        assert.equal(schedule[name], undefined, name);
});

test('a body that is no text is shown in base64', limit, async () => {
    const { url } = destination.fresh();
    const body = Buffer.from([0xff, 0, 0xfe]);
    const { scheduleId } = await server.client.schedules.create({ destination: url, cron: yearly, body });
    const schedule = await server.client.schedules.get(scheduleId);
    assert.equal(schedule.body, undefined);
    assert.equal(schedule.bodyBase64, body.toString('base64'));
});

test('a second create with the same id replaces the whole schedule', limit, async () => {
    const first = destination.fresh().url;
    const second = destination.fresh().url;
    const scheduleId = 'replaced';
    await server.client.schedules.create({
        scheduleId, destination: first, cron: yearly, body: 'old', retries: 1, label: 'old', headers: { 'x-old': '1' },
    });
    await server.client.schedules.create({ scheduleId, destination: second, cron: '5 4 1 1 *' });
    const schedule = await server.client.schedules.get(scheduleId);
    assert.equal(schedule.destination, second);
    assert.equal(schedule.cron, '5 4 1 1 *');
    assert.equal(schedule.retries, 3);
    assert.equal(schedule.body, undefined);
    assert.equal(schedule.label, undefined);
    assert.equal(schedule.header?.['X-Old'], undefined);
    const all = await server.client.schedules.list();
    assert.equal(all.filter((one) => one.scheduleId === scheduleId).length, 1);
});

test('the list is an array of all schedules, the path read in any case', limit, async () => {
    const { url } = destination.fresh();
    const { scheduleId } = await server.client.schedules.create({ destination: url, cron: yearly });
    const all = await server.client.schedules.list();
    assert.ok(Array.isArray(all));
    const shown = all.find((one) => one.scheduleId === scheduleId);
    assert.deepEqual(shown, await server.client.schedules.get(scheduleId));
    for (const target of ['/v2/Schedules', '/V2/schedules'])
        assert.deepEqual((await call(server, 'GET', target)).json, all);
    const headers = { 'upstash-cron': yearly };
    const created = await rawCall(server, 'POST', `/v2/Schedules/${url}//b?c=%20`, { headers });
    const raw = await server.client.schedules.get(created.json.scheduleId);
    assert.equal(raw.destination, `${url}//b?c=%20`);
});

for (const [how, pause, resume] of [
    ['PATCH, as the clients do', (id) => server.client.schedules.pause({ schedule: id }),
        (id) => server.client.schedules.resume({ schedule: id })],
    ['POST, as documented', (id) => call(server, 'POST', `/v2/schedules/${id}/pause`),
        (id) => call(server, 'POST', `/v2/schedules/${id}/resume`)],
])
    test(`a schedule is paused and resumed with ${how}, any number of times`, limit, async () => {
        const { url } = destination.fresh();
        const { scheduleId } = await server.client.schedules.create({ destination: url, cron: yearly });
        for (const [change, paused] of [[pause, true], [pause, true], [resume, false], [resume, false]]) {
            const answer = await change(scheduleId);
            assert.ok(answer === undefined || answer.status < 300, answer?.text);
            assert.equal((await server.client.schedules.get(scheduleId)).isPaused, paused);
        }
    });

test('a deleted schedule is gone', limit, async () => {
    const { url } = destination.fresh();
    const { scheduleId } = await server.client.schedules.create({ destination: url, cron: yearly });
    await server.client.schedules.delete(scheduleId);
    assertRefused(await errorOf(server.client.schedules.get(scheduleId)), 404);
    assert.ok(!(await server.client.schedules.list()).some((one) => one.scheduleId === scheduleId));
});

test('what is done to a schedule that is not there answers 404', limit, async () => {
    assertRefused(await errorOf(server.client.schedules.get('nobody')), 404);
    assertRefused(await errorOf(server.client.schedules.delete('nobody')), 404);
    assertRefused(await errorOf(server.client.schedules.pause({ schedule: 'nobody' })), 404);
    assertRefused(await errorOf(server.client.schedules.resume({ schedule: 'nobody' })), 404);
});

const crons = {
    'an empty cron': [' ', /cron expression/i],
    'four fields': ['* * * *', /Invalid cron expression.*expected exactly 5 fields/i],
    'minute 60': ['60 * * * *', /Invalid cron expression/i],
    'Sunday as 7': ['0 0 * * 7', /Invalid cron expression.*above maximum/i],
    'an unknown zone': ['CRON_TZ=Europe/Nowhere 0 0 * * *', /Invalid cron expression.*bad location/i],
    'a day that never comes': ['0 0 30 2 *', /Invalid cron expression/i],
};
for (const [what, [cron, text]] of Object.entries(crons))
    test(`refused with 400: ${what}`, limit, async () => {
        const { url } = destination.fresh();
        assertRefused(await errorOf(server.client.schedules.create({ destination: url, cron })), 400, text);
    });

test('refused with 400: an id with other characters, a destination without scheme, no cron', limit, async () => {
    const { url } = destination.fresh();
    const create = (changes) => errorOf(server.client.schedules.create({ destination: url, cron: yearly, ...changes }));
    assertRefused(await create({ scheduleId: 'a b' }), 400);
    assertRefused(await create({ scheduleId: 'a/b' }), 400);
    assertRefused(await create({ destination: 'example.com' }), 400, /invalid destination url/);
    assertRefused(await call(server, 'POST', `/v2/schedules/${url}`, { body: 'x' }), 400);
});

test('ticks deliver every minute, not while paused, and a restart forgets nothing', { timeout: 240_000 }, async () => {
    const ticking = destination.fresh('?every=minute');
    const delayed = destination.fresh();
    const paused = destination.fresh();
    const label = 'ticks';
    const { scheduleId } = await server.client.schedules.create({
        destination: ticking.url, cron: '* * * * *', body: 'tick ☕', headers: { 'x-tenant': 't' }, label,
    });
    const other = await server.client.schedules.create({ destination: paused.url, cron: '* * * * *' });
    await server.client.schedules.pause({ schedule: other.scheduleId });
    await server.client.schedules.create({ destination: delayed.url, cron: '* * * * *', delay: 5 });

    await server.stop();
    server = await startScheduler({ database: server.database, account: server.account });

    const arrived = await destination.arrival(ticking.path, 130_000);
    assert.equal(arrived.headers['upstash-schedule-id'], scheduleId);
    assert.equal(arrived.headers['x-tenant'], 't');
    assert.equal(arrived.headers['upstash-caller-ip'], '127.0.0.1');
    assert.equal(arrived.body.toString(), 'tick ☕');
    assert.ok(arrived.at % 60_000 < 15_000, `${arrived.at % 60_000} ms after the minute`);
    await checkSignature(arrived, server.keys, ticking.url);

    const messageId = arrived.headers['upstash-message-id'];
    const entries = await logUntil(server, messageId, 'DELIVERED');
    assert.ok(entries.every((entry) => entry.scheduleId === scheduleId && entry.label === label));
    const { logs } = await server.client.logs({ filter: { scheduleId } });
    assert.ok(logs.some((entry) => entry.messageId === messageId));
    const schedule = await eventually(async () => {
        const shown = await server.client.schedules.get(scheduleId);
        return shown.lastScheduleStates?.[messageId] === 'SUCCESS' && shown;
    }, 'the tick to be a success');
    assert.ok(Math.abs(schedule.lastScheduleTime - arrived.at) < 20_000);
    assert.ok(schedule.nextScheduleTime > schedule.lastScheduleTime);

    const late = await destination.arrival(delayed.path);
    assert.ok(late.at - arrived.at > 3000, 'the delay of a schedule counts from its tick');
    assert.equal(destination.at(paused.path).length, 0);
    assert.equal((await server.client.schedules.get(other.scheduleId)).isPaused, true);
});
