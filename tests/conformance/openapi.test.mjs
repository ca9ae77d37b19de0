// The OpenAPI document is valid, and true: every operation is called on a running `tidesync serve`, and each answer is
// held against what the document says of it: status, headers, kind and body. At the end every status that is documented
// must have been seen.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { SignJWT } from 'jose';
import {
    bodyHash, eventually, limit, makeDatabase, migrate, startDestination, startScheduler, startTidesync, tell,
} from './support.mjs';

const job = 'slave-to-prod';
const slave = await makeDatabase('SLAVE');
const production = await makeDatabase('PROD');
const lost = await makeDatabase('PROD'); // goes away below
for (const database of [slave, production, lost])
    await database.run('CREATE TABLE product (id int PRIMARY KEY, name text NOT NULL)');
await slave.run("INSERT INTO product VALUES (1, 'one'), (2, 'two')");
await production.run("INSERT INTO product VALUES (1, 'old')");

const scheduler = await startScheduler();
const publicUrl = `http://127.0.0.1:${(await startDestination()).port}`;
const bootstrap = randomUUID() + randomUUID();
const settings = {
    SLAVE_DATABASE_URL: slave.url, PROD_DATABASE_URL: production.url, TIDESYNC_PUBLIC_URL: publicUrl,
    QSTASH_CURRENT_SIGNING_KEY: scheduler.keys.current, QSTASH_NEXT_SIGNING_KEY: scheduler.keys.next,
    QSTASH_URL: scheduler.url, QSTASH_TOKEN: scheduler.token, TIDESYNC_ADMIN_TOKEN: bootstrap,
    TIDESYNC_LISTEN: '127.0.0.1:0', TIDESYNC_LEASE: '3',
};
await migrate(settings);
const worker = await startTidesync(['serve'], settings);
const impatient = await startTidesync(['serve'], { ...settings, TIDESYNC_DELIVERY_WAIT: '1' });
const makeToken = (name, scope) => tell(['token', 'create', '--name', name, '--scope', scope], settings);
const scopes = ['read', 'trigger', 'admin'];
const tokens = Object.fromEntries(await Promise.all(scopes.map(async (s) => [s, await makeToken(s, s)])));

/** A worker that has no token for QStash, and whose run store goes away while it runs. */
async function startLostWorker() {
    const without = { ...settings, PROD_DATABASE_URL: lost.url };
    delete without.QSTASH_TOKEN;
    await migrate(without);
    const server = await startTidesync(['serve'], without);
    const name = new URL(lost.url).pathname.slice(1);
    await production.run(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await production.run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
    return server;
}

// -- the document -----------------------------------------------------------------------------------------------------

const served = await (await fetch(`${worker.url}/openapi.json`)).text();
const openapi = JSON.parse(served);
const at = (pointer) => pointer.slice(2).split('/').reduce((value, name) => value[name], openapi);
const resolved = (value) => (value?.$ref ? at(value.$ref) : value);

const operations = new Map();
for (const [path, item] of Object.entries(openapi.paths))
    for (const [method, operation] of Object.entries(item))
        if (method !== 'parameters') operations.set(operation.operationId, { path, method, operation });

const ajv = addFormats(new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true }));
const inComponents = (schema) =>
    JSON.parse(JSON.stringify(schema).replaceAll('#/components/schemas/', 'components#/$defs/'));
ajv.addSchema({ $id: 'components', $defs: inComponents(openapi.components.schemas) });
const compiled = new Map();

function assertFits(value, schema, what) {
    const key = JSON.stringify(schema);
    if (!compiled.has(key)) compiled.set(key, ajv.compile(inComponents(schema)));
    const fits = compiled.get(key);
    assert.ok(fits(value), `${what}: ${ajv.errorsText(fits.errors)} in ${JSON.stringify(value)}`);
}

// -- calls ------------------------------------------------------------------------------------------------------------

const seen = new Set();

/** Calls an operation and holds the answer against the document. */
async function ask(id, given = {}) {
    const { path, method, operation } = operations.get(id);
    const target = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(given[name] ?? { job, run: 'none' }[name]));
    const { token = bootstrap, server = worker, headers = {}, query = '' } = given;
    const body = typeof given.body === 'object' ? JSON.stringify(given.body) : given.body;
    const response = await fetch(server.url + target + query, {
        method: method.toUpperCase(), body, signal: AbortSignal.timeout(20_000),
        headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
    });
    const text = await response.text();
    const what = `${id} answered ${response.status}`;
    seen.add(`${id} ${response.status}`);
    const documented = resolved(operation.responses[response.status]);
    assert.ok(documented, `${what}, which is not documented: ${text}`);
    for (const [name, header] of Object.entries(documented.headers ?? {})) {
        const { required, schema } = resolved(header);
        const value = response.headers.get(name);
        assert.ok(value !== null || !required, `${what} without ${name}`);
        if (value !== null) assertFits(schema.type === 'integer' ? Number(value) : value, schema, `${what}, ${name}`);
    }
    const kind = response.headers.get('content-type').split(';')[0];
    const content = documented.content[kind];
    assert.ok(content, `${what} with ${kind}, which is not documented`);
    const json = kind === 'application/json' ? JSON.parse(text) : undefined;
    assertFits(json ?? text, content.schema, what);
    if (response.status >= 400) assert.equal(json.request_id, response.headers.get('x-request-id'));
    return { status: response.status, headers: response.headers, json, text };
}

/** Calls it and insists on the status. */
async function expect(status, id, given) {
    const answer = await ask(id, given);
    assert.equal(answer.status, status, `${id}: ${answer.text}`);
    return answer;
}

/** What QStash sends: a body with its signature, and no token. */
async function signed(id, body, more = {}) {
    const { path, method } = operations.get(id);
    const now = Math.floor(Date.now() / 1000);
    const signature = await new SignJWT({
        iss: 'Upstash', sub: publicUrl + path.replace('{job}', job), exp: now + 300, nbf: 0, iat: now,
        jti: `jwt_${randomUUID()}`, body: bodyHash(body),
    }).setProtectedHeader({ alg: 'HS256', typ: 'JWT' }).sign(Buffer.from(more.key ?? scheduler.keys.current));
    return {
        ...more, token: '', ...(method === 'get' ? {} : { body }),
        headers: { 'upstash-signature': signature, 'upstash-message-id': `msg_${randomUUID()}` },
    };
}

const triggers = ['triggerSync', 'triggerSyncByGet', 'triggerJob'];
const scopeOf = ({ operation }) => operation.security.find((way) => way.token)?.token[0];
const stateOf = async (run) => (await expect(200, 'showRun', { run })).json.state;
const until = (run, states) => eventually(async () => states.includes(await stateOf(run)), `${run} to be ${states}`);

// -- tests ------------------------------------------------------------------------------------------------------------

test('the document is valid OpenAPI 3.1 and names the version of the binary', limit, async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(JSON.parse(served));
    assert.ok(valid, JSON.stringify(errors, null, 1));
    assert.equal(validator.version, '3.1');
    assert.equal(openapi.info.version, (await tell(['--version'], {})).split(' ').at(-1));
    await expect(200, 'showOpenapi', { token: '' });
});

test('nobody gets in without a credential, with a wrong one, or with too small a scope', limit, async () => {
    for (const [id, found] of operations) {
        const { operation } = found;
        if (operation.security.length === 0) continue;
        await expect(401, id, { token: '' });
        await expect(401, id, { token: 'wrong' });
        const needed = scopeOf(found);
        if (!needed) await expect(401, id, { token: tokens.admin });
        for (const scope of scopes.slice(0, Math.max(scopes.indexOf(needed), 0))) {
            const { json } = await expect(403, id, { token: tokens[scope] });
            assert.match(json.error.message, new RegExp(`scope ${needed}`));
        }
    }
});

test('a trigger runs the job and answers with its statistics', limit, async () => {
    for (const id of triggers) {
        const { json } = await expect(200, id, { token: tokens.trigger });
        assert.equal(json.statistics.total_records, 2);
        await expect(200, id, await signed(id, ''));
        await expect(400, id, { headers: { 'idempotency-key': 'with blank' } });
        await expect(401, id, await signed(id, '', { key: 'sig_of_somebody_else_entirely_1234' }));
    }
    for (const id of ['triggerSync', 'triggerJob']) {
        await expect(200, id, { body: { dry_run: true } });
        await expect(400, id, { body: { dry_run: 'yes' } });
        await expect(489, id, await signed(id, '{"dry_run":"yes"}'));
        const headers = { 'idempotency-key': randomUUID() };
        const first = await expect(200, id, { headers });
        assert.equal((await expect(200, id, { headers })).json.run, first.json.run);
        await expect(409, id, { headers, body: '{ }' });
    }
    await expect(404, 'triggerJob', { job: 'nothing' });
});

test('what there is to see is as the document says', limit, async () => {
    const token = tokens.read;
    const { json } = await expect(200, 'listRuns', { token });
    assert.ok(json.runs.length > 5);
    assert.equal((await expect(200, 'listRuns', { token, query: '?limit=2' })).json.runs.length, 2);
    const one = await expect(200, 'listRunsOfJob', { token, query: '?limit=3&state=succeeded' });
    assert.deepEqual(one.json.runs.map(({ state }) => state), ['succeeded', 'succeeded', 'succeeded']);
    assert.equal((await expect(200, 'listRunsOfJob', { token, query: '?state=dead' })).json.runs.length, 0);
    for (const id of ['listRuns', 'listRunsOfJob', 'listAudit'])
        for (const query of ['?limit=0', '?limit=501', '?limit=many', '?limt=5']) await expect(400, id, { query });
    assert.match((await expect(400, 'listRunsOfJob', { query: '?state=done' })).json.error.hint, /retry_wait/);
    await expect(404, 'listRunsOfJob', { job: 'nothing' });
    await expect(200, 'showRun', { token, run: json.runs[0].run });
    await expect(404, 'showRun', { run: 'none' });
    assert.equal((await expect(200, 'listJobs', { token })).json.jobs[0].job, job);
    assert.match((await expect(200, 'showMetrics', { token: '' })).text, /^worker_build_info/m);
    await expect(200, 'isAlive', { token: '' });
    await expect(200, 'isReady', { token: '' });
});

test('a request keeps the name that its caller gave it', limit, async () => {
    const name = randomUUID();
    assert.equal((await ask('isAlive', { headers: { 'x-request-id': name } })).headers.get('x-request-id'), name);
    for (const bad of ['short', 'x'.repeat(65), 'with blank in it', '<script>alert(1)']) {
        const answer = await expect(404, 'showRun', { run: 'none', headers: { 'x-request-id': bad } });
        assert.notEqual(answer.json.request_id, bad);
    }
});

test('runs that take longer are accepted, cancelled and made up for', limit, async () => {
    const held = production.run("BEGIN; UPDATE product SET name = 'held' WHERE id = 1; SELECT pg_sleep(60)").catch(() => {});
    await eventually(() => production.run("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND " +
        "datname = current_database() AND wait_event = 'PgSleep'"), 'the row to be held');
    await slave.run("UPDATE product SET name = 'newer' WHERE id = 1");
    const running = (await expect(202, 'triggerSync', { server: impatient })).json.run;
    const queued = (await expect(202, 'triggerJob', { server: impatient })).json.run;
    assert.equal((await expect(202, 'triggerSyncByGet', { server: impatient })).json.run, queued);
    await expect(202, 'triggerJob', await signed('triggerJob', '{}'));
    await until(running, ['running']);
    await expect(200, 'listJobs');
    await expect(200, 'cancelRun', { token: tokens.trigger, run: queued });
    await expect(202, 'cancelRun', { token: tokens.trigger, run: running });
    await until(running, ['cancelled']);
    await production.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND " +
        'datname = current_database() AND pid <> pg_backend_pid()');
    await held;
    await expect(409, 'cancelRun', { run: running });
    await expect(404, 'cancelRun', { run: 'none' });
    const again = (await expect(202, 'retryRun', { token: tokens.trigger, run: running })).json.run;
    await until(again, ['succeeded']);
    await expect(409, 'retryRun', { run: again });
    await expect(404, 'retryRun', { run: 'none' });
});

test('a paused job tells people and lets QStash rest', limit, async () => {
    await expect(400, 'pauseJob', { body: {} });
    await expect(404, 'pauseJob', { job: 'nothing', body: { reason: 'release' } });
    await expect(200, 'pauseJob', { token: tokens.admin, body: { reason: 'release' } });
    assert.equal((await expect(200, 'listJobs')).json.jobs[0].pause.reason, 'release');
    for (const id of triggers) {
        await expect(409, id);
        assert.equal((await expect(200, id, await signed(id, ''))).json.status, 'skipped');
    }
    await expect(200, 'resumeJob', { token: tokens.admin });
    await expect(404, 'resumeJob', { job: 'nothing' });
});

test('a dead run is 500 for people and 489 for QStash', limit, async () => {
    await production.run('ALTER TABLE product ADD CONSTRAINT refused CHECK (id < 3)');
    await slave.run("INSERT INTO product VALUES (3, 'three')");
    for (const id of triggers) {
        const { json } = await expect(500, id);
        assert.equal(json.error.code, 'data_refused');
        await expect(200, 'showRun', { run: json.run });
        await expect(489, id, await signed(id, ''));
    }
    await slave.run('DELETE FROM product WHERE id = 3');
});

test('the failure callback is remembered', limit, async () => {
    const body = JSON.stringify({ sourceMessageId: `msg_${randomUUID()}`, status: 503, retried: '2', body: 'c29ycnk=' });
    await expect(200, 'recordFailure', await signed('recordFailure', body));
    await expect(489, 'recordFailure', await signed('recordFailure', '[]'));
    assert.equal((await expect(200, 'listRuns')).json.alarms.length, 1);
});

test('schedules are kept by QStash', limit, async () => {
    const change = (status, body, more = {}) => expect(status, 'changeSchedule', { token: tokens.admin, body, ...more });
    await change(200, { action: 'create', parameters: { dry_run: true } });
    const { json } = await expect(200, 'listSchedules', { token: tokens.read });
    assert.equal(json.schedules[0].scheduleId, 'tidesync-slave-to-prod');
    for (const action of ['pause', 'resume', 'trigger-manual']) await change(200, { action });
    await expect(200, 'listSchedules');
    await change(200, { action: 'delete' });
    await change(404, { action: 'pause', scheduleId: 'nobody' });
    for (const body of [{}, { action: 'explode' }, { action: 'create', cron: 'never' }]) await change(400, body);
    const stranger = await startTidesync(['serve'], { ...settings, QSTASH_TOKEN: randomUUID() });
    const alone = await startTidesync(['serve'], { ...settings, QSTASH_URL: 'http://127.0.0.1:9' });
    for (const [status, server] of [[502, stranger], [504, alone]]) {
        await expect(status, 'listSchedules', { server });
        await change(status, { action: 'pause' }, { server });
    }
});

test('what people did stands in the audit, with the name of its request', limit, async () => {
    const name = randomUUID();
    await expect(200, 'pauseJob', { token: tokens.admin, body: { reason: 'audit' }, headers: { 'x-request-id': name } });
    await expect(200, 'resumeJob');
    const { entries } = (await expect(200, 'listAudit', { token: tokens.admin, query: '?limit=500' })).json;
    assert.deepEqual(entries.slice(0, 2).map(({ action }) => action), ['job.resume', 'job.pause']);
    assert.equal(entries[1].request_id, name);
    assert.equal(entries[1].remote, '127.0.0.1');
    assert.match(entries[1].actor, /^token admin \([a-z2-7]{10}\)$/);
    const actions = new Set(entries.map(({ action }) => action));
    for (const action of ['run.trigger', 'run.cancel', 'run.retry', 'token.create', 'schedule.create', 'schedule.delete'])
        assert.ok(actions.has(action), action);
    assert.equal((await expect(200, 'listAudit', { query: '?limit=1' })).json.entries.length, 1);
});

test('a body that is too large is refused', limit, async () => {
    for (const [id, { operation }] of operations)
        if (operation.responses[413])
            await expect(413, id, { body: 'x'.repeat(id === 'recordFailure' ? 2_200_000 : 70_000) });
});

test('a token that asks too much is told to wait, on every route', limit, async () => {
    const token = await makeToken('greedy', 'admin');
    let over = false;
    const flood = async () => {
        while (!over) await (await fetch(`${worker.url}/api/runs/none`, { headers: { authorization: `Bearer ${token}` } })).text();
    };
    const floods = Array.from({ length: 8 }, flood);
    try {
        for (const [id, found] of operations)
            if (scopeOf(found))
                // A permit that came back just then may let it through, to nothing.
                await eventually(async () => (await ask(id, {
                    token, job: 'nothing', run: 'none', body: found.method === 'get' ? undefined : '{"action":1}',
                })).status === 429, `${id} to be limited`);
    } finally {
        over = true;
        await Promise.all(floods);
    }
    await expect(200, 'listJobs', { token: tokens.read });
});

test('while the run store is away nothing is accepted', limit, async () => {
    const server = await startLostWorker();
    for (const [id, { operation, method }] of operations) {
        if (!operation.responses[503] || id === 'isAlive') continue;
        const given = id === 'recordFailure'
            ? await signed(id, '{"sourceMessageId":"msg_1"}')
            : { run: randomUUID(), body: { pauseJob: { reason: 'x' }, changeSchedule: { action: 'pause' } }[id] };
        const answer = await expect(503, id, { ...given, server });
        assert.equal(answer.headers.get('retry-after'), null);
        if (method === 'post' && id !== 'recordFailure')
            assert.equal((await fetch(server.url + '/api/jobs', { headers: { authorization: `Bearer ${tokens.admin}` } })).status, 503);
    }
});

test('every status that is documented was seen', limit, () => {
    // A loop that stands still for two minutes; a new run that has ended before its request is answered.
    const rare = new Set(['isAlive 503', 'retryRun 200', 'retryRun 500']);
    const documented = [...operations].flatMap(([id, { operation }]) =>
        Object.keys(operation.responses).map((status) => `${id} ${status}`));
    assert.deepEqual(documented.filter((pair) => !seen.has(pair) && !rare.has(pair)), []);
    assert.ok(documented.length > 100);
});
