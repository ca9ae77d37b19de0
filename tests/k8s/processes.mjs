// Databases and processes of one's own for the tests that run what the manifests name. Everything waits with a limit,
// and what was started or made is gone at the end.

import { execFile, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { after } from 'node:test';
import { required } from './manifests.mjs';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

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

export function freePort() {
    return new Promise((resolve, reject) => {
        const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

// -- what is started is stopped, and what is made goes ----------------------------------------------------------------

const children = new Set();
const undo = [];
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
after(async () => {
    for (const child of children) child.kill('SIGKILL');
    while (undo.length > 0) await undo.pop()();
}, { timeout: 60_000 });

// -- databases --------------------------------------------------------------------------------------------------------

export function psql(url, sql) {
    const { hostname, port, username, password, pathname } = new URL(url);
    const env = { PATH: process.env.PATH, PGPASSWORD: decodeURIComponent(password), PGCONNECT_TIMEOUT: '10' };
    const address = ['-h', hostname, '-p', port, '-U', username, '-d', pathname.slice(1)];
    return new Promise((resolve, reject) => {
        execFile('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', ...address, '-c', sql], { env, timeout: 60_000 },
            (error, out, err) => (error ? reject(new Error(`psql: ${err || error.message}`)) : resolve(out.trim())));
    });
}

let databases = 0;

/** An empty database on one of the two test servers. @returns its address for the administrator */
async function makeDatabase(side) {
    const server = required(`TIDESYNC_TEST_${side}_URL`);
    const name = `k8s_${process.pid}_${++databases}`;
    await psql(server, `CREATE DATABASE ${name}`);
    undo.push(() => psql(server, `DROP DATABASE ${name} WITH (FORCE)`));
    return withPath(server, name);
}

function withPath(url, name) {
    const other = new URL(url);
    other.pathname = `/${name}`;
    return other.href;
}

const password = 'only-for-tests';

/** A role that may log in. What it owns goes with the databases, which are made later and dropped earlier. */
async function makeRole(name) {
    const server = required('TIDESYNC_TEST_PROD_URL');
    // A run that was killed has left it, with rights in databases that are still there.
    if (await psql(server, `SELECT 'there' FROM pg_roles WHERE rolname = '${name}'`))
        return psql(server, `ALTER ROLE ${name} LOGIN PASSWORD '${password}'`);
    await psql(server, `CREATE ROLE ${name} LOGIN PASSWORD '${password}'`);
    undo.push(() => psql(server, `DROP ROLE ${name}`));
}

function as(role, url) {
    const other = new URL(url);
    other.username = role;
    other.password = password;
    return other.href;
}

/**
 * A slave with ten rows, and a production with the same table and none, as k8s/README.md has its roles.
 * @param worker  the worker's role: what the migration grants to
 * @returns {admin, slave, worker, owner}: addresses, all but the slave's of production
 */
export async function makePair(worker) {
    const owner = `${worker}_owner`;
    await makeRole(worker);
    await makeRole(owner);
    const slave = await makeDatabase('SLAVE');
    const admin = await makeDatabase('PROD');
    for (const url of [slave, admin]) await psql(url, 'CREATE TABLE item (id int PRIMARY KEY, name text)');
    await psql(slave, "INSERT INTO item SELECT i, 'n' || i FROM generate_series(1, 10) i");
    await psql(admin, `GRANT CREATE ON DATABASE ${new URL(admin).pathname.slice(1)} TO ${owner}`);
    await psql(admin, `GRANT SELECT, INSERT, UPDATE ON item TO ${worker}`);
    return { admin, slave, worker: as(worker, admin), owner: as(owner, admin) };
}

// -- processes --------------------------------------------------------------------------------------------------------

/** @param env  the whole environment, but for PATH and the sanitizers' options */
function environment(env) {
    const all = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env };
    for (const name of ['LSAN_OPTIONS', 'ASAN_OPTIONS', 'UBSAN_OPTIONS'])
        if (process.env[name]) all[name] = process.env[name];
    return all;
}

/** Starts a program. @returns {said(), ended, signal(name), status, took_ms}: `ended` is a promise of its status */
export function start([program, ...words], env, limit_ms = 60_000) {
    const child = spawn(program, words, { env: environment(env), stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' });
    children.add(child);
    const guard = setTimeout(() => child.kill('SIGKILL'), limit_ms);
    const began = Date.now();
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
    const ended = new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('close', (status, signal) => {
            clearTimeout(guard);
            children.delete(child);
            started.status = status ?? signal;
            started.took_ms = Date.now() - began;
            resolve(started.status);
        });
    });
    const started = { said: () => said, ended, signal: (name) => child.kill(name), status: undefined };
    return started;
}

/** Runs a program to its end. @returns {status, said} */
export async function run(argv, env, limit_ms) {
    const started = start(argv, env, limit_ms);
    return { status: await started.ended, said: started.said() };
}

/** @returns {status, text} of a request to this machine, or nothing where nobody answers */
export async function ask(port, path, method = 'GET') {
    try {
        const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, signal: AbortSignal.timeout(5_000) });
        return { status: answer.status, text: await answer.text() };
    } catch (error) {
        if (error.cause?.code === 'ECONNREFUSED') return undefined;
        throw error;
    }
}
