// What k8s/image_root collects is enough: the binary runs in such a folder as in the image, as user 10001, on a root
// file system that nobody can write. Names, TLS, CA certificates and time zones are found, and no library is missing.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
    appendFileSync, cpSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync,
} from 'node:fs';
import { createServer as createHttps } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { dockerfileProblems, instructionsOf, wordsOf } from './dockerfile.mjs';
import { containersOf, overlay, podsOf, root, textOf } from './manifests.mjs';
import { eventually, freePort, makePair, run as runHere, start } from './processes.mjs';

const limit = { timeout: 60_000 };
const place = join(process.cwd(), 'image');
const dockerfile = textOf('k8s/Dockerfile');
const [entrypoint] = wordsOf(dockerfile, 'ENTRYPOINT');

rmSync(place, { recursive: true, force: true });
const binary = join(root, 'build/release/tidesync');
execFileSync(join(root, 'k8s/image_root'), [binary, place], { stdio: 'pipe', timeout: 60_000 });

// What an engine adds by itself; and a test's own authority beside those of the world.
for (const folder of ['dev', 'proc']) mkdirSync(join(place, folder));
writeFileSync(join(place, 'etc/hosts'), '127.0.0.1 localhost\n');
const keys = makeCertificates(join(process.cwd(), 'certificates'));
const certificate = { key: readFileSync(keys.key), cert: readFileSync(keys.cert) };
cpSync(keys.ca, join(place, 'etc/ssl/ca.crt'));

function makeCertificates(folder) {
    mkdirSync(folder, { recursive: true });
    const at = (name) => join(folder, name);
    const openssl = (...words) => execFileSync('openssl', words, { cwd: folder, stdio: 'pipe', timeout: 30_000 });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    openssl('req', '-x509', ...key, '-subj', '/CN=authority of a test', '-keyout', 'ca.key', '-out', 'ca.crt');
    openssl('req', '-x509', ...key, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
        '-CA', 'ca.crt', '-CAkey', 'ca.key', '-keyout', 'server.key', '-out', 'server.crt');
    return { ca: at('ca.crt'), key: at('server.key'), cert: at('server.crt') };
}

// -- running in it ----------------------------------------------------------------------------------------------------

const am_root = process.getuid() === 0;

// Mounts that are made for a container are its own. In a chroot, whose root is none, nobody can ask that of the root: there
// the first may be seen outside as well, and is taken back in the end. What follows is private to it, or taking back
// what hangs below would take it from /dev, too.
const root_is_mount = spawnSync('mountpoint', ['-q', '/'], { timeout: 10_000 }).status === 0;
after(() => {
    if (root_is_mount) return;
    while (spawnSync('umount', ['-l', place], { timeout: 10_000 }).status === 0);
});

/** The words that run others inside. Without root only one user is there, which is then called root. */
function inside(words) {
    const script = `set -e; cd "$1"; shift
        mount --bind . . && cd "$PWD" && mount --make-rprivate .
        mount --rbind /dev dev && mount --make-rprivate dev && mount -o remount,bind,ro .
        exec chroot ${am_root ? '--userspec=10001:10001' : ''} . "$@"`;
    const how = [
        ...(am_root ? [] : ['--user', '--map-root-user']), '--mount', ...(root_is_mount ? [] : ['--propagation=unchanged']),
    ];
    return [...how, '--', 'sh', '-c', script, 'inside', place, ...words];
}

function run(words, env = {}) {
    const ran = spawnSync('unshare', inside([entrypoint, ...words]), {
        encoding: 'utf8', timeout: 30_000, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env },
    });
    if (ran.error) throw ran.error;
    return { status: ran.status, out: ran.stdout, err: ran.stderr };
}

/** Runs it while this process answers. @returns all that was said */
const meanwhile = async (words, env) => (await runHere(['unshare', ...inside([entrypoint, ...words])], env)).said;

test('the image holds a binary, its libraries and data, and nothing to run besides', () => {
    const [size] = execFileSync('du', ['-sk', place], { encoding: 'utf8' }).split('\t');
    console.log(`the image root has ${Math.round(Number(size) / 1024)} MiB`);
    assert.ok(Number(size) < 64 * 1024, `${size} KiB`);
    assert.deepEqual(readdirSync(join(place, 'usr/bin')), ['tidesync']);
    for (const name of ['bin', 'sbin', 'usr/sbin']) assert.ok(!existsSync(join(place, name)), name);
});

test('no file in it may be changed by others, or runs as another user', () => {
    const look = (folder) => readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        const found = lstatSync(path);
        const bad = !found.isSymbolicLink() && (found.mode & 0o6002) !== 0 ? [path] : [];
        return entry.isDirectory() ? [...bad, ...look(path)] : bad;
    });
    assert.deepEqual(['etc', 'usr', 'var'].flatMap((name) => look(join(place, name))), []);
});

test('it starts as user 10001 on a read-only file system', limit, () => {
    const { status, out, err } = run(['--version']);
    assert.equal(status, 0, err);
    assert.match(out, /^tidesync \d/);
    assert.match(run(['check-config', '--config', '/etc/shadow']).out, /\/etc\/shadow/);
});

test('every library that it looks for is there, those it opens later as well', limit, () => {
    const env = { LD_DEBUG: 'libs', SLAVE_DATABASE_URL: 'postgresql://a:b@localhost:9/x',
        PROD_DATABASE_URL: 'postgresql://a:b@no-such-host.invalid:9/x' };
    const { out, err } = run(['check-config'], env);
    assert.match(out, /slave localhost:9\/x.*\(127\.0\.0\.1\)/);
    assert.match(out, /no-such-host\.invalid.*could not translate host name/);
    const own = err.slice(err.indexOf('find library=libpq')); // before that, unshare, sh and chroot looked for theirs
    const names = new Set([...own.matchAll(/find library=(\S+)/g)].map(([, name]) => name));
    assert.ok(names.size > 20, `only ${names.size}`);
    const folder = readdirSync(join(place, 'usr/lib')).find((name) => /-linux-gnu/.test(name));
    const there = new Set(readdirSync(join(place, 'usr/lib', folder)));
    assert.deepEqual([...names].filter((name) => !there.has(name)), []);
});

/** Until the test ends. */
function listen(t, server) {
    t.after(() => server.close());
    return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}

test('a database is checked by TLS against a certificate of ours', limit, async (t) => {
    const server = createServer((socket) => socket.on('error', () => {}).once('data', () => {
        socket.write('S');
        const secure = new TLSSocket(socket, { isServer: true, ...certificate });
        const refusal = 'SFATAL\0C28000\0Mthis came by TLS\0\0';
        const head = Buffer.from([0x45, 0, 0, 0, 0]);
        head.writeInt32BE(refusal.length + 4, 1);
        secure.on('error', () => {}).once('data', () => secure.end(Buffer.concat([head, Buffer.from(refusal)])));
    }));
    await listen(t, server);
    const url = (more) => `postgresql://a:b@localhost:${server.address().port}/x?sslmode=verify-full${more}`;
    const ask = (more) => meanwhile(['check-config'], { SLAVE_DATABASE_URL: url(more) });
    const known = await ask('&sslrootcert=/etc/ssl/ca.crt');
    const world = await ask('&sslrootcert=/etc/ssl/certs/ca-certificates.crt');
    assert.match(known, /this came by TLS/);
    assert.match(world, /certificate verify failed/);
});

test('QStash is reached by TLS, and time zones are known', limit, async (t) => {
    const asked = [];
    const server = createHttps(certificate, (request, response) => {
        asked.push(`${request.method} ${request.url}`);
        const knows = { 'GET /v2/schedules': '[]', 'POST /v2/schedules': '{"scheduleId":"tidesync-slave-to-prod"}' };
        const found = knows[`${request.method} ${request.url.split('/').slice(0, 3).join('/')}`];
        const missing = request.method === 'GET' && request.url !== '/v2/schedules';
        response.writeHead(missing ? 404 : 200, { 'content-type': 'application/json' });
        response.end(missing ? '{"error":"schedule not found"}' : found);
    });
    await listen(t, server);
    const env = { QSTASH_URL: `https://localhost:${server.address().port}`, QSTASH_TOKEN: 'only-for-this-test',
        TIDESYNC_PUBLIC_URL: 'https://sync.example.com' };
    assert.match(await meanwhile(['schedule', 'list'], env), /certificate/);
    appendFileSync(join(place, 'etc/ssl/certs/ca-certificates.crt'), readFileSync(keys.ca));
    await meanwhile(['schedule', 'list'], env);
    assert.ok(asked.includes('GET /v2/schedules'), `asked: ${asked}`);
    const created = await meanwhile(
        ['schedule', 'create', '--cron', '0 4 * * *', '--timezone', 'Europe/Berlin'], env);
    assert.ok(asked.some((line) => line.startsWith('POST /v2/schedules/')), `${created}\nasked: ${asked}`);
});

test('it serves, and its HEALTHCHECK is about that', limit, async () => {
    const pair = await makePair('tidesync_image');
    const port = await freePort();
    const env = {
        SLAVE_DATABASE_URL: pair.slave, PROD_DATABASE_URL: pair.owner, TIDESYNC_LISTEN: `127.0.0.1:${port}`,
        TIDESYNC_PUBLIC_URL: 'https://sync.example.com', TIDESYNC_ADMIN_TOKEN: 'admin-only-for-these-tests',
        QSTASH_CURRENT_SIGNING_KEY: 'sig_current_only_for_these_tests',
        QSTASH_NEXT_SIGNING_KEY: 'sig_next_only_for_these_tests',
    };
    const [, ...health] = wordsOf(dockerfile, 'HEALTHCHECK');
    assert.equal(run(health, env).status, 1);
    assert.equal(run(['migrate'], env).status, 0);
    const worker = start(['unshare', ...inside([entrypoint, ...wordsOf(dockerfile, 'CMD')])], env);
    await eventually(async () => {
        assert.equal(worker.status, undefined, worker.said());
        return run(health, env).status === 0;
    }, 'the worker to be healthy');
    worker.signal('SIGTERM');
    assert.equal(await worker.ended, 0, worker.said());
});

// -- the Dockerfile ---------------------------------------------------------------------------------------------------

const deployment = podsOf(overlay('production')).find((pod) => pod.id === 'Deployment/tidesync').spec;
const asked = {
    user: `${deployment.securityContext.runAsUser}:${deployment.securityContext.runAsGroup}`,
    ports: containersOf(deployment).flatMap((container) => container.ports ?? []).map((port) => port.containerPort),
};

test('the Dockerfile makes an image that the pods can run', () =>
    assert.deepEqual(dockerfileProblems(dockerfile, asked), []));

// [what somebody wrote, instead of, what is said]
const mistakes = [
    ['debian:latest AS', /debian:[\w-]+ AS/, /debian:latest AS build is no tag with a date/],
    ['debian AS', /debian:[\w-]+ AS/, /debian AS build is no tag/],
    ['FROM debian:bookworm-slim\n', /FROM scratch\n/, /is made from debian/],
    ['RUN apt-get update', /RUN apt-get update.*/, /no security updates/],
    ['USER root', /USER .*/, /runs as root/],
    ['', /USER .*\n/, /runs as undefined/],
    ['', /HEALTHCHECK .*\n/, /health check is missing/],
    ['"livez"]', '"health"]', /health check is .*livez/],
    ['ENTRYPOINT /usr/bin/tidesync', /ENTRYPOINT .*/, /entrypoint is/],
    ['EXPOSE 8080', /EXPOSE .*/, /exposes 8080/],
    ['USER 10001:10001\nRUN apt-get update', /USER .*/, /nothing can RUN/],
    ['ENV QSTASH_TOKEN=secret', /ENV .*/, /a secret/],
    ['ADD https://example.com/x /\nEXPOSE', 'EXPOSE', /ADD/],
];
for (const [wrong, right, says] of mistakes) {
    test(`mistake in the Dockerfile: ${says.source}`, () => {
        const spoilt = dockerfile.replace(right, wrong);
        assert.notEqual(spoilt, dockerfile);
        assert.match(dockerfileProblems(spoilt, asked).join('\n'), says);
    });
}

test('what the Dockerfile copies first is enough to install the packages', limit, () => {
    const copied = instructionsOf(dockerfile).filter(({ word }) => word === 'COPY').map(({ rest }) => rest);
    const setup = instructionsOf(dockerfile).find(({ word, rest }) => word === 'RUN' && rest.startsWith('./dev setup'));
    const context = join(process.cwd(), 'context');
    rmSync(context, { recursive: true, force: true });
    for (const path of ['dev', 'dev.d']) {
        assert.ok(copied.some((rest) => rest.split(' ')[0] === path), `${path} is not copied`);
        cpSync(join(root, path), join(context, path), { recursive: true });
    }
    execFileSync('bash', ['-c', setup.rest], { cwd: context, stdio: 'pipe', timeout: 50_000 });
    const ignored = textOf('.dockerignore').split('\n');
    for (const path of ['.git', 'build']) assert.ok(ignored.includes(path), `${path} is sent to the engine`);
    for (const path of ['dev', 'k8s', 'worker', 'tests']) assert.ok(!ignored.includes(path), `${path} is not sent`);
});
