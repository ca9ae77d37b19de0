// Every pod of every overlay is "restricted".

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overlay, overlayNames, podsOf } from './manifests.mjs';
import { checks } from './pod_security.mjs';

for (const name of overlayNames) {
    test(`${name}: there are pods to look at`, () => {
        const ids = podsOf(overlay(name)).map((pod) => pod.id);
        assert.deepEqual(ids.sort(), ['CronJob/tidesync-fallback', 'Deployment/tidesync', 'Job/tidesync-migrate']);
    });
    for (const [control, check] of Object.entries(checks))
        test(`${name}: ${control}`, () => assert.deepEqual(check(overlay(name)), []));
}
