// What Kubernetes would start, started: the commands, settings and files of the manifests, in the order of an
// installation. Only ports are other ones, and secrets name the servers of the tests.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { find, invocation, ofKind, overlay, overlayNames } from './manifests.mjs';
import { ask, eventually, freePort, makePair, psql, run, sleep, start } from './processes.mjs';

const limit = { timeout: 60_000 };
const folder = join(process.cwd(), 'containers');
rmSync(folder, { recursive: true, force: true });

const objects = overlay('production');
const [, , worker_role] = find(objects, 'Job', 'tidesync-migrate').spec.template.spec.containers[0].args;

let pair;
let secrets;
const ports = {};
const running = {};

/** @param given.without  secrets that are not there */
function container(id, name, { from = objects, without = [] } = {}) {
    const left = Object.fromEntries(Object.entries(secrets).filter(([secret]) => !without.includes(secret)));
    const environment = id === 'Deployment/tidesync' && name === 'worker'
        ? { TIDESYNC_LISTEN: `127.0.0.1:${ports.http}`, TIDESYNC_ADMIN_LISTEN: `127.0.0.1:${ports.admin}` } : {};
    const place = join(folder, `${id.replace('/', '-')}-${name}`);
    rmSync(place, { recursive: true, force: true });
    return invocation(from, id, name, { place, secrets: left, environment });
}

const finalOfFallback = find(objects, 'CronJob', 'tidesync-fallback').spec.jobTemplate.spec.podFailurePolicy.rules
    .find((rule) => rule.action === 'FailJob').onExitCodes.values;
const keysAndTokens = ['tidesync-qstash', 'tidesync-admin', 'tidesync-owner', 'tidesync-alarms'];
const fallback = () => container('CronJob/tidesync-fallback', 'fallback', { without: keysAndTokens });
const migration = () =>
    container('Job/tidesync-migrate', 'migrate', { without: ['tidesync-databases', 'tidesync-qstash'] });
const pathsOfIngress = find(objects, 'Ingress', 'tidesync').spec.rules[0].http.paths.map(({ path }) => path);

test('there are two databases, with the roles of k8s/README.md', limit, async () => {
    pair = await makePair(worker_role);
    secrets = {
        'tidesync-databases': { SLAVE_DATABASE_URL: `${pair.slave}\n`, PROD_DATABASE_URL: `${pair.worker}\n` },
        'tidesync-owner': { PROD_DATABASE_URL: pair.owner },
        'tidesync-qstash': {
            QSTASH_CURRENT_SIGNING_KEY: 'sig_current_only_for_these_tests',
            QSTASH_NEXT_SIGNING_KEY: 'sig_next_only_for_these_tests',
            QSTASH_TOKEN: 'token_only_for_these_tests',
        },
        'tidesync-admin': { TIDESYNC_ADMIN_TOKEN: 'admin-only-for-these-tests' },
        'tidesync-alarms': {
            TIDESYNC_ALARM_URL: 'https://alarms.example.com', TIDESYNC_PING_URL: '',
            TIDESYNC_ALARM_SECRET: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
        },
    };
    ports.http = await freePort();
    ports.admin = await freePort();
});

test('await-schema waits while nobody has migrated', limit, async () => {
    const { argv, env } = container('Deployment/tidesync', 'await-schema', { without: keysAndTokens });
    running.init = start(argv, env);
    await eventually(() => /waiting: /.test(running.init.said()), 'await-schema to wait');
    await sleep(500);
    assert.equal(running.init.status, undefined, running.init.said());
});

test('the fallback without schemas ends with a status that its Job does not try again', limit, async () => {
    const { argv, env } = fallback();
    const { status, said } = await run(argv, env);
    assert.match(said, /tidesync migrate/);
    assert.ok(finalOfFallback.includes(status), `${status}: ${said}`);
});

test('the fallback whose database is away ends with a status that its Job tries again', limit, async () => {
    const kept = secrets['tidesync-databases'];
    const away = new URL(pair.worker);
    away.port = await freePort();
    secrets['tidesync-databases'] = { ...kept, PROD_DATABASE_URL: away.href };
    const { argv, env } = fallback();
    secrets['tidesync-databases'] = kept;
    const { status, said } = await run(argv, env);
    assert.equal(status, 3, said);
    assert.ok(!finalOfFallback.includes(status));
});

test('the migration makes the schemas, grants the worker its rights, and may run again', limit, async () => {
    const { argv, env } = migration();
    for (const word of [/granted/, /already/]) {
        const { status, said } = await run(argv, env);
        assert.equal(status, 0, said);
        assert.match(said, word);
    }
});

test('then await-schema ends well', limit, async () => {
    assert.equal(await running.init.ended, 0, running.init.said());
});

for (const name of overlayNames) {
    test(`${name}: check-config accepts the settings and the job file of a worker`, limit, async () => {
        const { argv: [binary], env } = container('Deployment/tidesync', 'worker', { from: overlay(name) });
        const { status, said } = await run([binary, 'check-config'], env);
        assert.equal(status, 0, said);
        assert.doesNotMatch(said, /is not a setting|problem/);
        assert.match(said, /job file: .*\/etc\/tidesync\/tidesync\.yaml/);
        if (name === 'alarms') assert.match(said, /alarms go to alarms\.example\.com/);
    });
}

test('check-config refuses a job file with a mistake, and a secret that is empty', limit, async () => {
    const spoilt = overlay('production');
    const map = ofKind(spoilt, 'ConfigMap').find((object) => object.data['tidesync.yaml']);
    map.data['tidesync.yaml'] = map.data['tidesync.yaml'].replace('grace_s', 'grace_h');
    const { argv: [binary], env } = container('Deployment/tidesync', 'worker', { from: spoilt });
    const { status, said } = await run([binary, 'check-config'], env);
    assert.equal(status, 78, said);
    assert.match(said, /grace_h/);
    const kept = secrets['tidesync-admin'];
    secrets['tidesync-admin'] = { TIDESYNC_ADMIN_TOKEN: '\n' };
    const empty = container('Deployment/tidesync', 'worker');
    secrets['tidesync-admin'] = kept;
    assert.match((await run([binary, 'check-config'], empty.env)).said, /problem +TIDESYNC_ADMIN_TOKEN/);
});

test('a worker becomes ready, and its probes say so', limit, async () => {
    const { argv, env, hooks } = container('Deployment/tidesync', 'worker', { without: ['tidesync-owner'] });
    running.worker = start(argv, env, 120_000);
    running.preStop = hooks.preStop;
    running.env = env;
    await eventually(async () => {
        assert.equal(running.worker.status, undefined, running.worker.said());
        return (await ask(ports.admin, '/readyz'))?.status === 200;
    }, 'the worker to be ready');
    const [probed] = find(objects, 'Deployment', 'tidesync').spec.template.spec.containers;
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
        const { path, port } = probed[probe].httpGet;
        assert.equal((await ask(ports[port], path)).status, 200, probe);
    }
});

test('the public port has the paths of the Ingress and no others', limit, async () => {
    for (const path of pathsOfIngress) assert.equal((await ask(ports.http, path, 'POST')).status, 401, path);
    for (const path of ['/metrics', '/livez', '/readyz', '/openapi.json', '/api/runs', '/api/jobs', '/api/audit'])
        assert.equal((await ask(ports.http, path)).status, 404, path);
});

test('the worker may ask which schemas there are, as k8s/README.md does before an upgrade', limit, async () => {
    const { argv: [binary], env } = container('Deployment/tidesync', 'worker', { without: ['tidesync-owner'] });
    const { status, said } = await run([binary, 'migrate'], env);
    assert.equal(status, 0, said);
    for (const part of ['production', 'run_store'])
        assert.match(said, new RegExp(`: ${part} is at version \\d+ already$`, 'm'));
});

test('pods of an older image than the schemas do not start, and say so at once', limit, async () => {
    const newer = "INSERT INTO tidesync.schema_version (part, version) VALUES ('run_store', 999)";
    await psql(pair.admin, newer);
    const { argv, env } = container('Deployment/tidesync', 'await-schema', { without: keysAndTokens });
    const began = Date.now();
    const { status, said } = await run(argv, env);
    await psql(pair.admin, 'DELETE FROM tidesync.schema_version WHERE version = 999');
    assert.equal(status, 78, said);
    assert.match(said, /version 999, newer than this binary knows/);
    assert.ok(Date.now() - began < 20_000, `after ${Date.now() - began} ms`);
});

test('the fallback serves the slot with the databases alone, and then finds nothing to do', limit, async () => {
    assert.equal(await psql(pair.admin, 'SELECT count(*) FROM item'), '0');
    const { argv, env, files } = fallback();
    assert.ok(files.length >= 3 && files.every((file) => /tidesync\.yaml$|DATABASE_URL$/.test(file)), files.join());
    const first = await run(argv, env);
    assert.equal(first.status, 0, first.said);
    assert.match(first.said, /nothing has served slot .*: made run/);
    assert.equal(await psql(pair.admin, 'SELECT count(*) FROM item'), '10');
    const second = await run(argv, env);
    assert.equal(second.status, 0, second.said);
    assert.match(second.said, /nothing to do: slot .* is served by run .* \(cronjob, succeeded\)/);
});

test('every metric that an alert asks for is exported, and promtool finds nothing in them', limit, async () => {
    running.hook = start(running.preStop, running.env); // for the next test: it waits about as long as this one takes
    await psql(pair.admin, 'ALTER TABLE item ADD CHECK (id <= 10)');
    await psql(pair.slave, "INSERT INTO item VALUES (11, 'n11')");
    const { argv: [binary], env } = fallback();
    const dead = await run([binary, 'run', 'slave-to-prod'], env);
    assert.equal(dead.status, 3, dead.said);
    const rules = find(objects, 'PrometheusRule', 'tidesync').spec.groups.flatMap((group) => group.rules);
    const asked = new Set(rules.flatMap((rule) => rule.expr.match(/\bworker_[a-z_]+/g) ?? []));
    const [{ path, port }] = find(objects, 'ServiceMonitor', 'tidesync').spec.endpoints;
    let missing;
    const text = await eventually(async () => { // what others did is read from the run store, every 10 s
        const found = (await ask(ports[port], path)).text;
        const exported = new Set([...found.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
        missing = [...asked].filter((name) => !exported.has(name));
        return missing.length === 0 && found;
    }, 'all metrics that alerts ask for', 20_000).catch((error) => assert.fail(`${error.message}: ${missing}`));
    const { status, stdout, stderr, error } =
        spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8', timeout: 30_000 });
    assert.ifError(error);
    assert.equal(status, 0, stdout + stderr);
});

test('preStop waits while the worker serves, and SIGTERM then ends it well, within the grace', limit, async () => {
    const { terminationGracePeriodSeconds: grace_s } = find(objects, 'Deployment', 'tidesync').spec.template.spec;
    const { hook, worker } = running;
    assert.equal(await hook.ended, 0, hook.said());
    assert.ok(hook.took_ms >= 7_900 && hook.took_ms < 20_000, `it waited ${hook.took_ms} ms`);
    assert.equal((await ask(ports.admin, '/readyz')).status, 200);
    const began = Date.now();
    worker.signal('SIGTERM');
    assert.equal(await worker.ended, 0, worker.said().slice(-4000));
    assert.ok(hook.took_ms + Date.now() - began < grace_s * 1000, `it took ${Date.now() - began} ms more`);
});
