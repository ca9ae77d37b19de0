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
