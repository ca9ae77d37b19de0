// A rule that finds no mistake is no rule: every one is broken here at least once, and has to say the right thing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overlay } from './manifests.mjs';
import { mutations } from './mutations.mjs';
import { checks as security } from './pod_security.mjs';
import { checks as jobs } from './rules_jobs.mjs';
import { checks as network } from './rules_network.mjs';
import { checks as pods } from './rules_pods.mjs';
import { checks as settings } from './rules_settings.mjs';
import { checks as worker } from './rules_worker.mjs';

const rules = { ...security, ...worker, ...jobs, ...pods, ...settings, ...network };

test('every rule has a mistake that it finds', () => {
    const broken = new Set(mutations.map(([rule]) => rule));
    assert.deepEqual(Object.keys(rules).filter((rule) => !broken.has(rule)), []);
});

for (const [rule, change, says, where = 'production'] of mutations) {
    test(`mistake in ${where}: ${rule}: ${says.source}`, () => {
        const objects = overlay(where);
        change(objects);
        assert.notDeepEqual(objects, overlay(where), 'the mistake changes nothing');
        assert.ok(rules[rule], 'there is no such rule');
        assert.match(rules[rule](objects, where).join('\n'), says);
    });
}
