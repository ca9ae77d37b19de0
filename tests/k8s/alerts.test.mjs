// The alerts: Prometheus reads them as the documentation says, each fires when its story says, and mistakes show.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { cases, mistakes } from './alerts.mjs';
import { find, ofKind, overlay, root, textOf } from './manifests.mjs';

const folder = join(process.cwd(), 'alerts');
mkdirSync(folder, { recursive: true });

const groups = find(overlay('production'), 'PrometheusRule', 'tidesync').spec.groups;
const rulesOf = (all) => all.flatMap((group) => group.rules);
const ruleOf = (alert) => rulesOf(groups).find((rule) => rule.alert === alert);

function promtool(words, options = {}) {
    const ran = spawnSync('promtool', words, { encoding: 'utf8', timeout: 60_000, ...options });
    if (ran.error) throw ran.error;
    return { status: ran.status, said: ran.stdout + ran.stderr };
}

/** The test of one case as promtool reads it. */
function unitTest({ alert, story, series, silent = [], fires = [], labels = {} }) {
    const { labels: own, annotations } = ruleOf(alert);
    const told = (text) => text.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, name) => labels[name] ?? '');
    const expected = {
        exp_labels: { ...labels, ...own },
        exp_annotations: Object.fromEntries(Object.entries(annotations).map(([name, text]) => [name, told(text)])),
    };
    const at = (minutes, alerts) => ({ eval_time: `${minutes}m`, alertname: alert, exp_alerts: alerts });
    return {
        name: `${alert}: ${story}`, interval: '1m',
        input_series: series.map(([name, values]) => ({ series: name, values })),
        alert_rule_test: [
            ...silent.map((minutes) => at(minutes, [])),
            ...fires.map((minutes) => at(minutes, [expected])),
        ],
    };
}

/** Plays one case against the rules of its alert. @returns what did not go as the story says, '' if all did */
function play(all, story) {
    const rules = join(folder, 'rules.json');
    const tests = join(folder, 'tests.json');
    const own = rulesOf(all).filter((rule) => rule.alert === story.alert);
    writeFileSync(rules, JSON.stringify({ groups: [{ name: 'one', rules: own }] }));
    writeFileSync(tests, JSON.stringify({
        rule_files: [rules], evaluation_interval: `${story.step ?? 1}m`, tests: [unitTest(story)],
    }));
    const { status, said } = promtool(['test', 'rules', tests]);
    return status === 0 ? '' : said;
}

/** @returns what the first story of an alert says that a mistake spoils, the shortest first; '' if none notices */
function notice(alert, spoil) {
    const changed = structuredClone(groups);
    spoil(rulesOf(changed).find((rule) => rule.alert === alert));
    const length = ({ silent = [], fires = [], step = 1 }) => Math.max(...silent, ...fires) / step;
    const stories = cases.filter((story) => story.alert === alert).sort((a, b) => length(a) - length(b));
    for (const story of stories) {
        const said = play(changed, story);
        if (said) return said;
    }
    return '';
}

test('the rules are a rule file of Prometheus, cut out as docs/metrics.md says', () => {
    const [command] = textOf('docs/metrics.md').match(/^ {4}sed .*rules\.yaml.*$/m) ?? [];
    assert.ok(command, 'docs/metrics.md has no command that cuts them out');
    const cut = execFileSync('bash', ['-c', command.trim().replace(/ >.*$/, '')], { cwd: root, encoding: 'utf8' });
    assert.deepEqual(parse(cut).groups, groups);
    const file = join(folder, 'cut.yaml');
    writeFileSync(file, cut);
    const { status, said } = promtool(['check', 'rules', '--lint=all', '--lint-fatal', file]);
    assert.equal(status, 0, said);
});

test('every alert has a story in which it fires, and one in which it is silent', () => {
    const alerts = rulesOf(groups).map((rule) => rule.alert);
    const told = (when) => new Set(cases.filter((story) => story[when]?.length > 0).map((story) => story.alert));
    assert.deepEqual(alerts.filter((alert) => !told('fires').has(alert)), []);
    assert.deepEqual(alerts.filter((alert) => !told('silent').has(alert)), []);
});

test('every alert is for somebody, says what it is, and where to read on', () => {
    const headings = new Set([...textOf('docs/runbook.md').matchAll(/^## (.*)$/gm)].map(([, heading]) => heading));
    for (const { alert, labels, annotations } of rulesOf(groups)) {
        assert.ok(['page', 'warn'].includes(labels?.severity), `${alert} has severity ${labels?.severity}`);
        assert.ok(annotations?.summary && annotations?.runbook, `${alert} has no summary or runbook`);
        for (const [, heading] of annotations.runbook.matchAll(/runbook\.md, ([^,;]+)/g))
            assert.ok(headings.has(heading), `${alert}: docs/runbook.md has no chapter '${heading}'`);
    }
});

test('the overlay dev, which alerts leave alone by the end of its name, has such a name', () => {
    const [{ metadata: { name } }] = ofKind(overlay('dev'), 'Namespace');
    const left_alone = rulesOf(groups).flatMap((rule) => rule.expr.match(/namespace!~"[^"]*"/g) ?? []);
    assert.ok(left_alone.length >= 2);
    for (const matcher of left_alone) assert.match(name, new RegExp(`^${/"(.*)"/.exec(matcher)[1]}$`));
    const [production] = ofKind(overlay('production'), 'Namespace');
    assert.doesNotMatch(production.metadata.name, /-dev$/);
});

test('docs/metrics.md knows every metric that an alert asks for', () => {
    const known = new Set(textOf('docs/metrics.md').match(/\b(?:worker|kube)_[a-z_]+/g));
    const asked = rulesOf(groups).flatMap((rule) => rule.expr.match(/\b(?:worker|kube)_[a-z_]+/g));
    assert.deepEqual(asked.filter((name) => name.startsWith('worker_') && !known.has(name)), []);
    assert.ok(asked.length > 10);
});

for (const story of cases)
    test(`${story.alert}: ${story.story}`, () => assert.equal(play(groups, story), ''));

// -- mistakes ---------------------------------------------------------------------------------------------------------

test('every alert is broken at least once', () => {
    const broken = new Set(mistakes.map(([alert]) => alert));
    assert.deepEqual(rulesOf(groups).map((rule) => rule.alert).filter((alert) => !broken.has(alert)), []);
});

for (const [alert, wrong, right] of mistakes) {
    test(`mistake in ${alert}: ${wrong} for ${right}`, () => {
        const said = notice(alert, (rule) => {
            assert.ok(rule.expr.includes(right), `its expression has no '${right}'`);
            rule.expr = rule.expr.replaceAll(right, wrong);
        });
        assert.match(said, new RegExp(`alertname: ?${alert},`));
    });
}

for (const { alert } of rulesOf(groups)) {
    test(`mistake in ${alert}: it fires an hour late`, () => {
        const said = notice(alert, (rule) => {
            const [, number, unit] = /^(\d+)([mh])$/.exec(rule.for ?? '0m');
            rule.for = `${Number(number) * (unit === 'h' ? 60 : 1) + 60}m`;
        });
        assert.match(said, new RegExp(`alertname: ?${alert},`));
    });
}
