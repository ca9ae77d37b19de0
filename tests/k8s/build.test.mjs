// The files are well-formed, and kustomize makes objects of each overlay.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
    build, containersOf, folderOf, idOf, kubectls, ofKind, overlay, overlayNames, podsOf, root, textOf,
} from './manifests.mjs';

test('yamllint finds nothing in k8s/', () => {
    const options = ['--strict', '-c', join(root, 'tests/k8s/yamllint.yaml'), join(root, 'k8s')];
    const { status, stdout, error } = spawnSync('yamllint', options, { encoding: 'utf8', timeout: 60_000 });
    assert.ifError(error);
    assert.equal(status, 0, stdout);
});

test('every overlay in k8s/overlays is checked here', () => {
    const folders = readdirSync(join(root, 'k8s/overlays'));
    assert.deepEqual(folders.filter((name) => !overlayNames.includes(name)), []);
});

for (const name of overlayNames) {
    test(`${name}: kustomize builds it, and no two objects have the same name`, () => {
        const ids = overlay(name).map(idOf);
        assert.ok(ids.length >= 10, `only ${ids.length} objects`);
        assert.deepEqual(ids.filter((id, at) => ids.indexOf(id) !== at), []);
    });
}

const version = JSON.parse(
    spawnSync(kubectls.oldest, ['version', '--client', '-o', 'json'], { encoding: 'utf8', timeout: 30_000 }).stdout,
).clientVersion.gitVersion;

// Where a package of the oldest is to be had (tests/k8s/run), it is that one, and not just some other.
test('the oldest kubectl that is tried is the one that k8s/README.md asks for', () => {
    if (process.arch === 'x64') assert.match(version, /^v1\.22\./);
    assert.match(textOf('k8s/README.md'), /`kubectl` 1\.22 or newer/);
});

for (const name of overlayNames) {
    test(`${name}: kubectl ${version} builds the same objects`, () => {
        const byId = (a, b) => idOf(a).localeCompare(idOf(b));
        assert.deepEqual(build(folderOf(name), kubectls.oldest).sort(byId), overlay(name).sort(byId));
    });
}

// kustomize up to some version writes what it adds in one place to all that share an anchor, selectors among them, and
// merges no list that is an alias.
test('no manifest has anchors or aliases', () => {
    const within = (folder) => readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) =>
        (entry.isDirectory() ? within(join(folder, entry.name)) : [join(folder, entry.name)]));
    const files = within('k8s').filter((name) => name.endsWith('.yaml'));
    assert.ok(files.length > 10, `only ${files.length}`);
    const shared = files.filter((name) => /^[^#\n]*[:-] +[&*][a-z]/m.test(textOf(name)));
    assert.deepEqual(shared, []);
});

test('every object is in the namespace that its overlay makes', () => {
    for (const name of overlayNames) {
        const objects = overlay(name);
        const [made] = ofKind(objects, 'Namespace');
        const spaces = objects.filter((object) => object !== made).map((object) => object.metadata.namespace);
        assert.deepEqual([...new Set(spaces)], [made.metadata.name]);
    }
});

test('commands in k8s/README.md and docs/runbook.md name objects, containers and labels that are there', () => {
    const objects = overlay('production');
    const kinds =
        { deploy: 'Deployment', deployment: 'Deployment', job: 'Job', cronjob: 'CronJob', service: 'Service' };
    const names = new Set(objects.map(idOf));
    const pods = podsOf(objects);
    const containers = new Set(pods.flatMap((pod) => containersOf(pod.spec)).map((container) => container.name));
    const labels = new Set(pods.flatMap((pod) => Object.entries(pod.labels)).map(([key, value]) => `${key}=${value}`));
    let seen = 0;
    for (const file of ['k8s/README.md', 'docs/runbook.md']) {
        for (const [command] of textOf(file).matchAll(/^ *kubectl (?:.*\\\n)*.*$/gm)) {
            const named = [...command.matchAll(/\b(deploy|deployment|job|cronjob|service)[/ ](tidesync[\w-]*)/g)]
                .map(([, kind, name]) => `${kinds[kind]}/${name}`);
            assert.deepEqual(named.filter((name) => !names.has(name)), [], command);
            for (const [, name] of command.matchAll(/ -c (\w+)/g)) assert.ok(containers.has(name), command);
            for (const [, label] of command.matchAll(/ -l (\S+)/g)) assert.ok(labels.has(label), command);
            seen += named.length;
        }
    }
    assert.ok(seen > 10, `only ${seen}`);
});
