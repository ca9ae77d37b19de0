// The strict check of fields: each object becomes a typed literal, and the TypeScript compiler reads them all at once.
// It refuses unknown fields, wrong types and wrong words at any depth; validators by JSON schema let unknown ones pass.

import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const operators = { 'monitoring.coreos.com': '@kubernetes-models/prometheus-operator' };

/**
 * @param objects  {key: object}, keys fit for file names
 * @returns {key: [what is wrong]}, with an empty list for an object that fits
 */
export function schemaProblems(objects) {
    const folder = resolve('typed');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    const problems = Object.fromEntries(Object.keys(objects).map((key) => [key, []]));
    for (const [key, object] of Object.entries(objects)) writeFileSync(join(folder, `${key}.ts`), typed(object));
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
        compilerOptions: {
            noEmit: true, strict: true, skipLibCheck: true, types: [], target: 'es2022',
            module: 'nodenext', moduleResolution: 'nodenext', noErrorTruncation: true,
        },
        include: ['*.ts'],
    }));
    const compiler = resolve('node_modules/typescript/bin/tsc');
    const { status, stdout, stderr, error } = spawnSync(
        process.execPath, [compiler, '-p', folder, '--pretty', 'false'],
        { cwd: folder, encoding: 'utf8', timeout: 120_000, maxBuffer: 1 << 26 });
    if (error) throw error;
    let found = 0;
    for (const line of stdout.split('\n')) {
        const at = /^([^(]+)\.ts\((\d+),\d+\): error (.*)$/.exec(line);
        if (!at) continue;
        found += 1;
        problems[at[1]].push(`${at[3]} [${lineOf(objects[at[1]], Number(at[2]))}]`);
    }
    if (status !== 0 && found === 0) throw new Error(`the compiler ended with ${status}: ${stdout}${stderr}`);
    return problems;
}

const header = 2; // lines before the literal

function typed(object) {
    const [group, version] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['', object.apiVersion];
    const models = operators[group] ?? 'kubernetes-models';
    const path = [models, group, version].filter(Boolean).join('/');
    return `import type { I${object.kind} } from '${path}';\n` +
        `export const object: I${object.kind} =\n${JSON.stringify(object, null, 1)};\n`;
}

function lineOf(object, line) {
    return (JSON.stringify(object, null, 1).split('\n')[line - header - 1] ?? 'its apiVersion or kind').trim();
}
