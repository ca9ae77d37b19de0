// The patches of k8s/README.md: pasted into the overlay, each is built by kustomize and does what its comment says, and
// no rule finds more than that.

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { build, find, kubectls, overlay, podsOf, root, textOf } from './manifests.mjs';
import { checks as network, letsIn, reaches } from './rules_network.mjs';
import { checks as pods } from './rules_pods.mjs';
import { checks as security } from './pod_security.mjs';

const [, block] = /^```yaml\n(patches:\n[^]*?)^```$/m.exec(textOf('k8s/README.md')) ?? [];
const { patches } = parse(block ?? 'patches: []');
const node = { ipBlock: { cidr: '10.0.0.0/24' } };

const worker = (objects) => podsOf(objects).find((pod) => pod.id === 'Deployment/tidesync');
const egress = (objects) => find(objects, 'NetworkPolicy', 'tidesync-databases').spec.egress;
const opens = (rule, port, protocol) => rule.ports.some((open) => open.port === port && open.protocol === protocol);

// What each patch is for, in their order: whether it is so.
const purposes = [
    ['a node may call workers, as the Ingress controller may', (objects) =>
        letsIn(objects, worker(objects)).includes(`${JSON.stringify(node)} -> http`)],
    ['every pod reaches the databases of a namespace', (objects) => {
        const named = (peer) => peer.namespaceSelector?.matchLabels['kubernetes.io/metadata.name'] === 'postgres';
        const rule = egress(objects).find(({ to }) => to.some((peer) => named(peer) && !peer.podSelector));
        return Boolean(rule) && opens(rule, 5432, 'TCP') && opens(rule, 6432, 'TCP') && rule.ports.length === 2;
    }],
    ['every pod may ask the node for names', (objects) => {
        const rule = egress(objects).find(({ to }) => to.some((peer) => peer.ipBlock?.cidr === '169.254.20.10/32'));
        return Boolean(rule) && opens(rule, 53, 'UDP') && rule.ports.length === 2 &&
            podsOf(objects).every((pod) => reaches(objects, pod, '169.254.20.10', 53));
    }],
    ['every pod is pulled with the Secret of the registry', (objects) =>
        podsOf(objects).every((pod) => find(objects, 'ServiceAccount', pod.spec.serviceAccountName)
            .imagePullSecrets?.some((secret) => secret.name === 'tidesync-registry'))],
];

/** Production with patches at the end of its kustomization, by one kubectl. */
function patched(some, kubectl = kubectls.current) {
    const folder = join(process.cwd(), 'overlays/patched');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const resources = [relative(folder, join(root, 'k8s/overlays/production'))];
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify({
        apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources, patches: some,
    }));
    return build(folder, kubectl);
}

test('k8s/README.md has the patches that are tried here', () => assert.equal(patches.length, purposes.length));

purposes.forEach(([what, is_so], at) => {
    test(`patch of k8s/README.md: ${what}, and only by it`, () => {
        assert.ok(!is_so(overlay('production')), 'it is so without');
        assert.ok(!is_so(patched(patches.filter((_, other) => other !== at))), 'it is so by another one');
        assert.ok(is_so(patched([patches[at]])), block);
    });
});

test('all patches of k8s/README.md together, by either kubectl: no rule finds more', () => {
    const objects = patched(patches);
    assert.ok(purposes.every(([, is_so]) => is_so(objects)));
    assert.deepEqual(patched(patches, kubectls.oldest), objects);
    for (const [rule, check] of Object.entries({ ...network, ...pods, ...security })) {
        const expected = rule.startsWith('a worker is reached by')
            ? [`Deployment/tidesync: ${[...letsIn(overlay('production'), worker(objects)),
                `${JSON.stringify(node)} -> http`].sort().join(', ')}`] : [];
        assert.deepEqual(check(objects, 'production'), expected, rule);
    }
});

// -- mistakes ---------------------------------------------------------------------------------------------------------

test('a patch of what is not there is refused', () => {
    const [first] = structuredClone(patches);
    first.patch = first.patch.replace('/spec/ingress/0', '/spec/ingress/7');
    assert.throws(() => patched([first]), /ingress\/7|Unable to access invalid index/);
});

test('a patch of an object that is not there, which kustomize builds, is found to do nothing', () => {
    purposes.forEach(([, is_so], at) => {
        const patch = structuredClone(patches[at]);
        patch.target.name += 'x';
        assert.ok(!is_so(patched([patch])));
    });
});
