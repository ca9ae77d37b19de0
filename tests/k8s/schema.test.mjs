// Every object has only fields that Kubernetes knows, with values of their types; and mistakes are found.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { find, idOf, overlay, overlayNames } from './manifests.mjs';
import { schemaProblems } from './schema.mjs';

const pod = (objects) => find(objects, 'Deployment', 'tidesync').spec.template.spec;

// [what it is, the mistake, what must be said of it]
const mistakes = [
    ['a field that is not there', (objects) => {
        pod(objects).terminationGracePeriodSecond = 95;
    }, /"terminationGracePeriodSecond"' does not exist/],
    ['a field six levels down that is not there', (objects) => {
        pod(objects).containers[0].livenessProbe.httpGet.pathh = '/livez';
    }, /"pathh"' does not exist/],
    ['a field in the wrong place', (objects) => {
        find(objects, 'CronJob', 'tidesync-fallback').spec.backoffLimit = 2;
    }, /"backoffLimit"' does not exist/],
    ['a word that is none of those allowed', (objects) => {
        find(objects, 'CronJob', 'tidesync-fallback').spec.concurrencyPolicy = 'Forbidd';
    }, /"Forbidd"' is not assignable/],
    ['a text for a number', (objects) => {
        find(objects, 'Deployment', 'tidesync').spec.replicas = '2';
    }, /'string' is not assignable to type 'number'/],
    ['a number for a text', (objects) => {
        objects.find((object) => /^tidesync-settings/.test(object.metadata.name)).data.TIDESYNC_DRAIN_LIMIT = 60;
    }, /'number' is not assignable to type 'string'/],
    ['a field that is missing', (objects) => {
        delete find(objects, 'NetworkPolicy', 'tidesync-web').spec.podSelector;
    }, /"podSelector"' is missing/],
    ['a path type of another time', (objects) => {
        delete find(objects, 'Ingress', 'tidesync').spec.rules[0].http.paths[0].pathType;
    }, /"pathType"' is missing/],
    ['a field that the operator does not know', (objects) => {
        find(objects, 'ServiceMonitor', 'tidesync').spec.endpoints[0].intervall = '30s';
    }, /"intervall"' does not exist/],
    ['an alert without its expression', (objects) => {
        delete find(objects, 'PrometheusRule', 'tidesync').spec.groups[0].rules[0].expr;
    }, /"expr"' is missing/],
    ['a version that is gone', (objects) => {
        find(objects, 'PodDisruptionBudget', 'tidesync').apiVersion = 'policy/v1beta9';
    }, /Cannot find module/],
];

const literals = {};
const unspoiled = Object.fromEntries(overlayNames.map((name) => {
    const keys = overlay(name).map((object, at) => [`${name}-${at}`, object]);
    Object.assign(literals, Object.fromEntries(keys));
    return [name, keys];
}));
mistakes.forEach(([, change], number) => {
    const objects = overlay('production');
    const before = objects.map((object) => JSON.stringify(object));
    change(objects);
    const changed = objects.filter((object, at) => JSON.stringify(object) !== before[at]);
    assert.equal(changed.length, 1, 'a mistake is in one object');
    literals[`mistake-${number}`] = changed[0];
});
let problems;
const problemsOf = (key) => (problems ??= schemaProblems(literals))[key];

for (const [name, keys] of Object.entries(unspoiled)) {
    test(`${name}: each field of ${keys.length} objects is known, and of its type`, () => {
        const found = keys.flatMap(([key, object]) => problemsOf(key).map((problem) => `${idOf(object)}: ${problem}`));
        assert.deepEqual(found, []);
    });
}

mistakes.forEach(([what, , says], number) => {
    test(`the schema refuses ${what}`, () => assert.match(problemsOf(`mistake-${number}`).join('\n'), says));
});
