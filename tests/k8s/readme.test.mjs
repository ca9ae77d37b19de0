// The commands of k8s/README.md, word for word and in their order, by a bash whose kubectl and docker only look at what
// they are given: is every file there, seen from where one is by then; and is nothing left behind.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, textOf } from './manifests.mjs';

const readme = textOf('k8s/README.md');
/** Commands stand four columns in, or eight in a list, whose text stands three in. What is fenced is none. */
const commands = readme.replace(/^```[^]*?^```$/gm, '').split('\n').filter((line) => /^ {4}/.test(line)).join('\n');
/** Files that hold a secret, and the certificates beside them. */
const secretFiles = [...new Set([
    ...[...commands.matchAll(/--from-file=(?:[^\s=]+=)?(\S+)/g)].map(([, file]) => file),
    ...[...commands.matchAll(/--(?:cert|key)=(\S+)/g)].map(([, file]) => file),
])];
const folder = join(process.cwd(), 'readme');
const temporary = join(folder, 'tmp');
const project = join(folder, 'project'); // a copy, as a mistake could write to it

// Tells in $LOG who was called, where and with what, a line each; a file that is missing ends it.
const tool = `#!/usr/bin/env bash
set -euo pipefail
name=\${0##*/} before=''
printf '%s\\t%s\\t%s\\t%s\\n' "$name" "$PWD" "$(umask)" "$*" >>"$LOG"
for word in "$@"; do
    case $word in
        --from-file=*) file=\${word##*=} ;;
        --cert=* | --key=*) file=\${word#*=} ;;
        *) file=''; if [[ $before == -f && $word != - || $before == -k ]]; then file=$word; fi ;;
    esac
    if [[ -n $file && ! -e $file ]]; then echo "$name: there is no $file in $PWD" >&2; exit 1; fi
    before=$word
done
if [[ " $* " == *' wait '* ]]; then exit "$WAIT_ENDS_WITH"; fi
`;
// Has the files ready that a person would write.
const mktemp = `#!/usr/bin/env bash
set -euo pipefail
made=$(/usr/bin/mktemp "$@")
(umask 077; for name in $FILES; do echo secret >"$made/$name"; done)
echo "$made"
`;

/** Runs commands as if from the root of the project. @returns {status, said, calls: [{name, where, umask, words}]} */
function play(script, { wait = 0 } = {}) {
    rmSync(folder, { recursive: true, force: true });
    for (const path of [temporary, join(folder, 'bin')]) mkdirSync(path, { recursive: true });
    cpSync(join(root, 'k8s'), join(project, 'k8s'), { recursive: true });
    for (const [name, text] of Object.entries({ kubectl: tool, docker: tool, mktemp })) {
        writeFileSync(join(folder, 'bin', name), text);
        chmodSync(join(folder, 'bin', name), 0o755);
    }
    const log = join(folder, 'calls');
    writeFileSync(log, '');
    const { status, stdout, stderr, error } = spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
        cwd: project, encoding: 'utf8', timeout: 30_000, stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: `${join(folder, 'bin')}:/usr/bin:/bin`, LOG: log, TMPDIR: temporary, WAIT_ENDS_WITH: String(wait),
            FILES: secretFiles.join(' ') },
    });
    if (error) throw error;
    const calls = readFileSync(log, 'utf8').trim().split('\n').filter(Boolean).map((line) => line.split('\t'))
        .map(([name, where, umask, words]) => ({ name, where, umask, words }));
    return { status, said: stdout + stderr, calls };
}

test('the commands of k8s/README.md find every file that they name, and leave none behind', () => {
    const { status, said, calls } = play(commands);
    assert.equal(status, 0, said);
    assert.ok(calls.length > 30, `only ${calls.length} calls`);
    for (const { name, where, umask, words } of calls) {
        const secret = /--from-file=|--key=/.test(words);
        if (words !== 'apply -f -') assert.equal(where === project, !secret, `${name} ${words} in ${where}`);
        if (secret) assert.equal(umask, '0077', words);
    }
    assert.deepEqual(readdirSync(temporary), []);
    assert.deepEqual(readdirSync(project), ['k8s']);
});

test('a migration that does not end is told of by its logs', () => {
    const { status, calls } = play(commands, { wait: 1 });
    assert.equal(status, 0);
    const waits = calls.map(({ words }, at) => [words, at]).filter(([words]) => / wait .*tidesync-migrate/.test(words));
    assert.ok(waits.length >= 2);
    for (const [, at] of waits) assert.match(calls[at + 1].words, / logs .*component=migration/);
});

test('a Job by hand has a name of its own each time', () => {
    const made = play(commands).calls.filter(({ words }) => / create job /.test(words));
    assert.ok(made.length > 0);
    for (const { words } of made) assert.match(words, / create job by-hand-\d{10} --from=cronjob\//);
});

test('an image is built from nothing, as otherwise it has no security updates', () => {
    const built = play(commands).calls.filter(({ name, words }) => name === 'docker' && words.startsWith('build '));
    assert.ok(built.length > 0);
    for (const { words } of built) assert.match(words, /^build --pull --no-cache /);
});

test('secrets that lie in the project by mistake are neither committed nor sent to a container engine', () => {
    assert.ok(secretFiles.length >= 13, secretFiles.join());
    for (const path of ['.gitignore', '.dockerignore']) {
        const ignored = textOf(path).split('\n');
        assert.deepEqual(secretFiles.filter((file) => !ignored.includes(file)), [], path);
    }
});

// -- mistakes ---------------------------------------------------------------------------------------------------------

for (const [wrong, right, says] of [
    ['--from-file=QSTASH_TOKN', '--from-file=QSTASH_TOKEN', /there is no QSTASH_TOKN/],
    ['k8s/overlays/prod\n', 'k8s/overlays/production\n', /there is no k8s\/overlays\/prod in/],
    ['', '        cd - && rm -r "$secrets"\n', /there is no k8s\/overlays\/production in .*readme\/tmp/],
    ['echo', 'secrets=$(mktemp -d) && cd "$secrets" && umask 077', /there is no PROD_DATABASE_URL in/],
]) {
    test(`mistake in k8s/README.md: '${wrong.trim()}' for '${right.trim()}'`, () => {
        assert.ok(commands.includes(right));
        const { status, said } = play(`${commands.replace(right, wrong)}\n`);
        assert.notEqual(status, 0);
        assert.match(said, says);
    });
}
