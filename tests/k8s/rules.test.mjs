// Each rule of ours, for each overlay.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overlay, overlayNames } from './manifests.mjs';
import { withGroup } from './parts.mjs';
import { checks as jobs } from './rules_jobs.mjs';
import { checks as network } from './rules_network.mjs';
import { checks as pods } from './rules_pods.mjs';
import { checks as settings } from './rules_settings.mjs';
import { checks as worker } from './rules_worker.mjs';

const rules = { ...worker, ...jobs, ...pods, ...settings, ...network };

for (const name of overlayNames) {
    for (const [rule, check] of Object.entries(rules))
        test(`${name}: ${rule}`, () => assert.deepEqual(check(overlay(name), name), []));
}

for (const slot_h of [1, 12]) {
    test(`production with a group of slots of ${slot_h} h, as k8s/README.md has it: no rule complains`, () => {
        const objects = overlay('production');
        withGroup(objects, slot_h * 3600);
        for (const [rule, check] of Object.entries(rules)) assert.deepEqual(check(objects, 'production'), [], rule);
    });
}
