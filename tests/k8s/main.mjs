// Runs the test files in one process, so that each overlay is built once, what is most easily understood first.

import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { test } from 'node:test';

const all = [
    'build', 'schema', 'pod_security', 'rules', 'mutations', 'readme', 'patches', 'image', 'alerts', 'processes',
];
const named = process.argv.slice(2).map((name) => basename(name));

for (const file of named.length > 0 ? named : all.map((name) => `${name}.test.mjs`)) {
    if (!existsSync(file)) test(file, () => { throw new Error(`there is no test file ${file}`); });
    else await import(resolve(file)).catch((error) => test(file, () => { throw error; }));
}
