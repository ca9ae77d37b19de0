// Runs the test files, each in a process of its own, writes a TAP file, and counts.

import { once } from 'node:events';
import { createWriteStream, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { run } from 'node:test';
import { tap } from 'node:test/reporters';

const named = process.argv.slice(2).map((name) => basename(name));
const all = readdirSync('.').filter((name) => name.endsWith('.test.mjs')).sort();
const files = (named.length > 0 ? named : all).map((name) => resolve(name));
process.env.CONFORMANCE_CALLS = resolve('calls.txt');
rmSync(process.env.CONFORMANCE_CALLS, { force: true });

let passed = 0;
let failed = 0;
const told = new Set(); // files with a failure of their own
const said = new Map(); // what a file wrote to stderr

// Most tests wait more than they compute.
const results = run({ files, concurrency: 4, timeout: 480_000 });
results.on('test:stderr', ({ file, message }) => said.set(file, ((said.get(file) ?? '') + message).slice(-6000)));
results.on('test:pass', (event) => {
    if (isFile(event)) return;
    if (event.skip) return fail(event, 'skipped: here that proves nothing');
    passed += 1;
    console.log(`ok  ${basename(event.file ?? '')}: ${event.name}`);
});
results.on('test:fail', (event) => {
    // node fails a file along with its tests. It counts where it is the only word: when the file got to no test.
    if (isFile(event) && told.has(resolve(event.name))) return;
    if (!isFile(event)) told.add(event.file);
    const last_words = said.get(resolve(event.name)) ?? 'it ended without a word';
    fail(event, isFile(event) ? last_words : reasonOf(event.details.error));
});

function isFile(event) {
    return event.nesting === 0 && files.includes(resolve(event.name));
}

function fail(event, reason) {
    failed += 1;
    const what = isFile(event) ? basename(event.name) : `${basename(event.file ?? '')}: ${event.name}`;
    const lines = reason.split('\n').slice(0, 40).map((line) => `    ${line.slice(0, 400)}`);
    console.log(`not ok  ${what}\n${lines.join('\n')}`);
}

function reasonOf(error) {
    const cause = error.cause ?? error;
    return String(cause.stack ?? cause.message ?? cause);
}

const report = createWriteStream('report.tap');
results.compose(tap).pipe(report);
await once(report, 'finish');

const notes = existsSync(process.env.CONFORMANCE_CALLS) ? readFileSync(process.env.CONFORMANCE_CALLS, 'utf8') : '';
const calls = (kind) => {
    const lines = notes.split('\n').filter((line) => line.startsWith(`${kind} `));
    return [...new Set(lines)].sort().map((line) => line.slice(kind.length + 1));
};
console.log(`refused as not provided ${calls('refused').length} calls: ${calls('refused').join(', ')}`);
console.log(`covered ${calls('served').length} calls: ${calls('served').join(', ')}`);
if (passed + failed === 0) failed = 1;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
