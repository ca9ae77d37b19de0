// Servers of one's own for every test file: a database, a `tidesync` process, a destination that records what arrives.
// Everything waits with a limit, and everything that was started is stopped, however the file ends.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { after } from 'node:test';
import { Client, Receiver } from '@upstash/qstash';
import { jwtVerify } from 'jose';
import { callName, note, noting } from './calls.mjs';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What every test is given, as no wait is endless. */
export const limit = { timeout: 60_000 };

/** The first true thing that `look` returns. */
export async function eventually(look, what, limit_ms = 20_000) {
    const until = Date.now() + limit_ms;
    for (;;) {
        const seen = await look();
        if (seen) return seen;
        if (Date.now() > until) throw new Error(`waited ${limit_ms} ms in vain for ${what}`);
        await sleep(40);
    }
}

export function required(name) {
    const value = process.env[name];
    if (!value) throw new Error(`${name} is not set: run the tests with ./dev test`);
    return value;
}

// -- what is started is stopped ---------------------------------------------------------------------------------------

const started = [];
const children = new Set();
after(stopAll, { timeout: 60_000 });
process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL');
});

async function stopAll() {
    const problems = [];
    while (started.length > 0) {
        try {
            await started.pop().stop();
        } catch (error) {
            problems.push(error);
        }
    }
    if (problems.length > 0) {
        process.exitCode = 1;
        throw problems[0];
    }
}

// -- databases --------------------------------------------------------------------------------------------------------

let databases = 0;

/** An empty database on one of the two test servers. */
export async function makeDatabase(side = 'PROD') {
    const server = new URL(required(`TIDESYNC_TEST_${side}_URL`));
    const name = `conformance_${process.pid}_${++databases}`;
    const url = new URL(server);
    url.pathname = `/${name}`;
    const database = {
        url: url.href,
        run: (sql) => psql(url, sql),
        stop: () => psql(server, `DROP DATABASE ${name} WITH (FORCE)`),
    };
    await psql(server, `CREATE DATABASE ${name}`);
    started.push(database);
    return database;
}

function psql(url, sql) {
    const password = decodeURIComponent(url.password);
    const environment = { PATH: process.env.PATH, PGPASSWORD: password, PGCONNECT_TIMEOUT: '10' };
    const address = ['-h', url.hostname, '-p', url.port, '-U', url.username, '-d', url.pathname.slice(1)];
    return run('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', ...address, '-c', sql], environment);
}

function run(program, words, environment) {
    return new Promise((resolve, reject) => {
        execFile(program, words, { env: environment, timeout: 60_000 }, (error, out, err) => {
            if (error) reject(new Error(`${program} ${words[0]}: ${err || error.message}`));
            else resolve(out.trim());
        });
    });
}

// -- tidesync ---------------------------------------------------------------------------------------------------------

/** @param settings  the whole environment, but for PATH and the sanitizers' options */
function environmentOf(settings) {
    const environment = { PATH: '/usr/bin:/bin', ...settings };
    for (const name of ['LSAN_OPTIONS', 'ASAN_OPTIONS', 'UBSAN_OPTIONS'])
        if (process.env[name]) environment[name] = process.env[name];
    return environment;
}

/** Runs a verb to its end. @returns what it printed */
export const tell = (words, settings) => run(required('TIDESYNC_BINARY'), words, environmentOf(settings));

export const migrate = (settings) => tell(['migrate'], settings);

/** A running `tidesync`, once its log says on which port it listens. */
export async function startTidesync(words, settings) {
    const child = spawn(required('TIDESYNC_BINARY'), words, {
        env: environmentOf(settings), stdio: ['ignore', 'ignore', 'pipe'],
    });
    children.add(child);
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (log += text));
    const ended = new Promise((resolve) => {
        child.on('error', (error) => resolve(error.message));
        child.on('close', (status, signal) => resolve(status ?? signal));
    });
    let end;
    ended.then((how) => {
        end = how;
        children.delete(child);
    });

    const server = {
        log: () => log,
        /** SIGTERM; resolves when it has gone, and complains when it went badly. */
        async stop() {
            if (end === undefined) child.kill('SIGTERM');
            const limit = setTimeout(() => child.kill('SIGKILL'), 20_000);
            const how = await ended;
            clearTimeout(limit);
            if (!server.killed) assert.equal(how, 0, `tidesync ${words[0]} ended with ${how}:\n${log.slice(-4000)}`);
        },
        async kill() {
            server.killed = true;
            child.kill('SIGKILL');
            await ended;
        },
    };
    started.push(server);
    server.port = await eventually(() => {
        if (end !== undefined) throw new Error(`tidesync ${words.join(' ')} ended with ${end}:\n${log.slice(-4000)}`);
        return listeningPort(log);
    }, `tidesync ${words[0]} to listen`);
    server.url = `http://127.0.0.1:${server.port}`;
    return server;
}

function listeningPort(log) {
    for (const line of log.split('\n')) {
        if (!line.includes('"listening"')) continue;
        const event = JSON.parse(line);
        if (event.event === 'listening') return event.port;
    }
    return undefined;
}

export const signingKey = () => `sig_${randomBytes(14).toString('hex')}`;

/**
 * A local scheduler.
 * @param given.database  of an earlier one, to go on with what it left
 * @param given.dev       with the public development users instead of secrets
 */
export async function startScheduler(given = {}) {
    const database = given.database ?? (await makeDatabase());
    const account = given.account ?? {
        token: randomBytes(20).toString('hex'), keys: { current: signingKey(), next: signingKey() },
    };
    const settings = { TIDESYNC_QSTASH_DATABASE_URL: database.url };
    if (!given.dev) {
        settings.QSTASH_TOKEN = account.token;
        settings.QSTASH_CURRENT_SIGNING_KEY = account.keys.current;
        settings.QSTASH_NEXT_SIGNING_KEY = account.keys.next;
        if (!given.database) await migrate(settings);
    }
    const words = ['qstash-local', '--listen', '127.0.0.1:0', ...(given.dev ? ['--dev'] : [])];
    const server = await startTidesync(words, settings);
    const { token, keys } = given.dev ? developmentUsers[0] : account;
    return Object.assign(server, { database, account, token, keys, client: clientOf(server, token) });
}

export const clientOf = (server, token) =>
    noting(new Client({ baseUrl: server.url, token, retry: false, devMode: false }), 'client');

/** The public credentials of development servers. */
export const developmentUsers = [
    ['eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=',
        'sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r', 'sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs'],
    ['eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9',
        'sig_7GVPjvuwsfqF65iC8fSrs1dfYruM', 'sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua'],
    ['eyJVc2VySUQiOiJ0ZXN0VXNlcjIiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9',
        'sig_6jWGaWRxHsw4vMSPJprXadyvrybF', 'sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx'],
    ['eyJVc2VySUQiOiJ0ZXN0VXNlcjMiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9',
        'sig_5T8FcSsynBjn9mMLBsXhpacRovJf', 'sig_7GFR4YaDshFcqsxWRZpRB161jguD'],
].map(([token, current, next]) => ({ token, keys: { current, next } }));

// -- requests that the client does not make ---------------------------------------------------------------------------

/** By fetch, as scripts do. @returns {{status, headers, text, json}}; `json` is undefined where the body is none */
export async function call(server, method, target, { headers = {}, body, token = server.token } = {}) {
    const response = await fetch(server.url + target, {
        method, body, redirect: 'manual', signal: AbortSignal.timeout(20_000),
        headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
    });
    const text = await response.text();
    note(callName(method, target), response.status);
    return { status: response.status, headers: response.headers, text, json: parsed(text) };
}

/** On a bare connection, so that nobody tidies the target up. */
export async function rawCall(server, method, target, { headers = {}, body = '', token = server.token } = {}) {
    const bytes = Buffer.from(body);
    const length = `content-length: ${bytes.length}`;
    const lines = [`${method} ${target} HTTP/1.1`, 'host: 127.0.0.1', length, 'connection: close'];
    if (token) lines.push(`authorization: Bearer ${token}`);
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
    const answer = await exchange(server.port, Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), bytes]));
    const [head, ...rest] = answer.toString('utf8').split('\r\n\r\n');
    const text = rest.join('\r\n\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    note(callName(method, target), status);
    return { status, text, json: parsed(text) };
}

function exchange(port, bytes) {
    return new Promise((resolve, reject) => {
        const parts = [];
        const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
        socket.setTimeout(20_000, () => socket.destroy(new Error('no answer within 20 s')));
        socket.on('data', (part) => parts.push(part));
        socket.on('error', reject);
        socket.on('close', () => resolve(Buffer.concat(parts)));
    });
}

function parsed(text) {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}

/** What every refusal looks like: its status, and `{"error":"<text>"}`. */
export function assertRefused(answer, status, text = /./) {
    assert.equal(answer.status, status, answer.text);
    assert.equal(typeof answer.json?.error, 'string', `no {"error":…} in ${answer.text}`);
    assert.match(answer.json.error, text);
}

/** The error that a call of the client fails with. */
export async function errorOf(promise) {
    try {
        await promise;
    } catch (error) {
        return { status: error.status, text: error.message, json: parsed(error.message) };
    }
    throw new assert.AssertionError({ message: 'the call succeeded, and should have been refused' });
}

// -- where messages arrive --------------------------------------------------------------------------------------------

/** An HTTP server that keeps every request, and answers 200 or as it was told. */
export async function startDestination() {
    const requests = [];
    const scripts = new Map();
    const server = createServer((request, response) => {
        const parts = [];
        request.on('data', (part) => parts.push(part));
        request.on('end', () => {
            const path = request.url.split('?')[0];
            requests.push({
                method: request.method, target: request.url, path, headers: request.headers,
                rawHeaders: request.rawHeaders, body: Buffer.concat(parts), at: Date.now(),
            });
            const script = scripts.get(path) ?? [];
            const answer = (script.length > 1 ? script.shift() : script[0]) ?? {};
            const { status = 200, headers = {}, body = 'ok', after_ms = 0 } = answer;
            setTimeout(() => response.writeHead(status, headers).end(body), after_ms);
        });
    });
    await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    const { port } = server.address();
    let paths = 0;
    const destination = {
        port,
        /** A path nobody used yet, and its URL. */
        fresh(query = '') {
            const path = `/at/${++paths}`;
            return { path, url: `http://127.0.0.1:${port}${path}${query}` };
        },
        /** What to answer there, one after the other; the last for ever. */
        answer: (path, ...answers) => scripts.set(path, answers),
        at: (path) => requests.filter((request) => request.path === path),
        /** The first `count` requests to a path. */
        async arrivals(path, count = 1, limit_ms = 20_000) {
            await eventually(() => destination.at(path).length >= count, `${count} requests to ${path}`, limit_ms);
            return destination.at(path).slice(0, count);
        },
        arrival: async (path, limit_ms) => (await destination.arrivals(path, 1, limit_ms))[0],
        async stop() {
            server.closeAllConnections();
            await new Promise((resolve) => server.close(resolve));
        },
    };
    started.push(destination);
    return destination;
}

// -- signatures -------------------------------------------------------------------------------------------------------

export const bodyHash = (bytes) => createHash('sha256').update(bytes).digest('base64url');

/** Checks a delivery with the official receiver, and what that one leaves out. @returns the claims of the token */
export async function checkSignature(request, keys, url) {
    const signature = request.headers['upstash-signature'];
    assert.ok(signature, 'the delivery has no signature');
    // The receiver takes text alone, so that bytes which are none must be left to the check below.
    const text = request.body.toString('utf8');
    if (Buffer.from(text).equals(request.body)) {
        const receiver = new Receiver({ currentSigningKey: keys.current, nextSigningKey: keys.next, devMode: false });
        assert.equal(await receiver.verify({ signature, body: text, url }), true);
    }
    const under = (key) =>
        jwtVerify(signature, Buffer.from(key), { issuer: 'Upstash', algorithms: ['HS256'], subject: url });
    const { payload, protectedHeader } = await under(keys.current).catch(() => under(keys.next));
    assert.deepEqual(protectedHeader, { alg: 'HS256', typ: 'JWT' });
    assert.equal(payload.body.replace(/=+$/, ''), bodyHash(request.body));
    assert.equal(payload.exp - payload.iat, 300);
    assert.equal(payload.nbf, 0);
    assert.ok(Math.abs(payload.iat - Date.now() / 1000) < 60);
    assert.match(payload.jti, /^jwt_/);
    return payload;
}

/** Entries of the log of one message, oldest first, once one has reached a state. */
export async function logUntil(server, messageId, state, limit_ms = 20_000) {
    return eventually(async () => {
        const { logs } = await server.client.logs({ filter: { messageId } });
        const oldest_first = [...logs].reverse();
        return oldest_first.some((entry) => entry.state === state) && oldest_first;
    }, `${messageId} to be ${state}`, limit_ms);
}

/** The entry of the dead letter queue that a message became. */
export async function deadLetter(server, messageId, limit_ms = 20_000) {
    return eventually(async () => {
        const { messages } = await server.client.dlq.listMessages();
        return messages.find((entry) => entry.messageId === messageId);
    }, `${messageId} to be in the DLQ`, limit_ms);
}
