// The parts of an overlay's objects that mutations change.

import { find, ofKind } from './manifests.mjs';

export const deployment = (objects) => find(objects, 'Deployment', 'tidesync').spec;
export const pod = (objects) => deployment(objects).template.spec;
export const worker = (objects) => pod(objects).containers[0];
export const budget = (objects) => find(objects, 'PodDisruptionBudget', 'tidesync').spec;
export const monitor = (objects) => find(objects, 'ServiceMonitor', 'tidesync').spec;
export const secrets = '/run/secrets/tidesync';
export const job = (objects) => find(objects, 'Job', 'tidesync-migrate').spec;
export const cronjob = (objects) => find(objects, 'CronJob', 'tidesync-fallback').spec;
export const fallback = (objects) => cronjob(objects).jobTemplate.spec.template;
export const paths = (objects) => find(objects, 'Ingress', 'tidesync').spec.rules[0].http.paths;
export const policy = (objects, name) => find(objects, 'NetworkPolicy', name).spec;
export const map = (objects, name) =>
    ofKind(objects, 'ConfigMap').find((object) => object.metadata.name.startsWith(name));
export const variable = (container, name) => container.env.find((candidate) => candidate.name === name);
export const jobFile = (objects, text) => (map(objects, 'tidesync-job-file').data['tidesync.yaml'] = text);
export const alert = (objects, name) =>
    find(objects, 'PrometheusRule', 'tidesync').spec.groups.flatMap((g) => g.rules).find((rule) => rule.alert === name);

/** Adds a group with slots of its own, as k8s/README.md says. @returns its CronJob */
export function withGroup(objects, slot_every_s) {
    const name = 'slave-to-prod-logs';
    jobFile(objects, `jobs: {slave-to-prod: {groups: {logs: {tables: [public.logs], slot_every_s: ${slot_every_s}}}}}`);
    paths(objects).push({ ...paths(objects)[0], path: `/api/jobs/${name}/runs` });
    const added = structuredClone(find(objects, 'CronJob', 'tidesync-fallback'));
    added.metadata.name = 'tidesync-fallback-logs';
    added.spec.schedule = slot_every_s === 3600 ? '45 * * * *' : `45 */${slot_every_s / 3600} * * *`;
    const { spec } = added.spec.jobTemplate;
    spec.activeDeadlineSeconds = slot_every_s - 600;
    spec.template.spec.containers[0].args[1] = name;
    objects.push(added);
    return added;
}
