// Each rule of ours, for each overlay.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overlay, overlayNames } from './manifests.mjs';
import { checks as jobs } from './rules_jobs.mjs';
import { checks as network } from './rules_network.mjs';
import { checks as pods } from './rules_pods.mjs';
import { checks as settings } from './rules_settings.mjs';
import { checks as worker } from './rules_worker.mjs';

for (const name of overlayNames) {
    for (const [rule, check] of Object.entries({ ...worker, ...jobs, ...pods, ...settings, ...network }))
        test(`${name}: ${rule}`, () => assert.deepEqual(check(overlay(name), name), []));
}
