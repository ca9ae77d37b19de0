// The client's development mode: it must find our server by itself, and then download nothing.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import {
    assertRefused, call, checkSignature, clientOf, developmentUsers, limit, startDestination, startScheduler,
} from './support.mjs';

const server = await startScheduler({ dev: true });
const destination = await startDestination();

/** Runs the application in a home of its own, behind the guard. */
async function runApp(environment) {
    const home = mkdtempSync(join(tmpdir(), 'conformance-home-'));
    const report = join(home, 'guard.json');
    try {
        const words = ['--import', './guard.mjs', 'dev_mode_app.mjs'];
        const { out, status } = await new Promise((resolve) => {
            execFile(process.execPath, words, {
                cwd: fileURLToPath(new URL('.', import.meta.url)), timeout: 40_000,
                env: { PATH: process.env.PATH, HOME: home, GUARD_REPORT: report, ...environment },
            }, (error, stdout) => resolve({ out: stdout, status: error ? error.code ?? 'killed' : 0 }));
        });
        return {
            status, out, saw: JSON.parse(out.trim().split('\n').at(-1)),
            tried: JSON.parse(readFileSync(report, 'utf8')),
            left_behind: readdirSync(home, { recursive: true }).filter((name) => name !== 'guard.json').map(String),
        };
    } finally {
        rmSync(home, { recursive: true, force: true });
    }
}

test('an application in development mode finds this server, and nothing is downloaded or started', limit, async () => {
    const app = await runApp({ QSTASH_DEV: 'true', QSTASH_DEV_PORT: String(server.port) });
    assert.equal(app.status, 0, app.out);
    assert.match(app.saw.messageId, /^msg_/);
    assert.equal(app.saw.body, '{"from":"the app"}');
    assert.equal(app.saw.genuine, true);
    assert.match(app.out, /Server already running/);
    assert.ok(app.tried.connections.every((host) => host === '127.0.0.1'), app.tried.connections.join());
    assert.deepEqual(app.tried.children, []);
    assert.deepEqual(app.left_behind, []);
});

test('where no server is, the same application would download one: the guard sees it', limit, async () => {
    const nobody = createServer((socket) => socket.destroy());
    await new Promise((resolve) => nobody.listen(0, '127.0.0.1', resolve));
    try {
        const app = await runApp({ QSTASH_DEV: 'true', QSTASH_DEV_PORT: String(nobody.address().port) });
        assert.equal(app.status, 1, app.out);
        assert.match(app.saw.error, /the guard lets nobody reach/);
        assert.ok(app.tried.connections.some((host) => host.endsWith('amazonaws.com')));
    } finally {
        await new Promise((resolve) => nobody.close(resolve));
    }
});

for (const [number, { token, keys }] of developmentUsers.entries())
    test(`development user ${number + 1} has its public token and keys`, limit, async () => {
        const { json } = await call(server, 'GET', '/v2/keys', { token });
        assert.deepEqual(json, keys);
        const { path, url } = destination.fresh();
        await clientOf(server, token).publish({ url, body: `of user ${number + 1}` });
        const claims = await checkSignature(await destination.arrival(path), keys, url);
        assert.equal(claims.iss, 'Upstash');
    });

test('users do not see what belongs to another', limit, async () => {
    const [one, two] = developmentUsers.map(({ token }) => clientOf(server, token));
    const { url } = destination.fresh();
    const { scheduleId } = await one.schedules.create({ destination: url, cron: '0 4 1 1 *', scheduleId: 'of-one' });
    const { messageId } = await one.publish({ url, body: 'x', delay: '1h', deduplicationId: 'same' });
    const own = (target) => call(server, 'GET', target, { token: developmentUsers[1].token });
    assert.deepEqual(await two.schedules.list(), []);
    assert.equal((await own(`/v2/schedules/${scheduleId}`)).status, 404);
    assert.equal((await own(`/v2/messages/${messageId}`)).status, 404);
    assert.ok(!(await two.logs()).logs.some((entry) => entry.messageId === messageId));
    assert.ok(!(await two.publish({ url, body: 'x', delay: '1h', deduplicationId: 'same' })).deduplicated);
    await two.schedules.create({ destination: `${url}/two`, cron: '0 4 1 1 *', scheduleId: 'of-one' });
    assert.equal((await one.schedules.get('of-one')).destination, url);
    await two.messages.cancel({ all: true });
    assert.equal((await one.messages.get(messageId)).messageId, messageId);
});

test('a token of nobody opens nothing in development either', limit, async () => {
    const made_up = Buffer.from('{"UserID":"defaultUser","Password":"wrong"}').toString('base64');
    for (const token of ['', made_up]) assertRefused(await call(server, 'GET', '/v2/keys', { token }), 401);
});
