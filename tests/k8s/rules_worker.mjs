// The Deployment and what stands for its pods: found by whom they should be, watched on the right ports, given time to
// stop.

import { containersOf, find, idOf, ofKind, settingOf, textOf } from './manifests.mjs';
import { matches, selected } from './selectors.mjs';

const alert_first_s = 240; // what a person, or a pooler that is paused, has after SyncLoopStuck and before the restart
const give_back_s = 20; // worker/doctor_settings.cpp: how long the end of a run may take once it was told to stop

/** [{what, selector}] of all that stands for the worker's pods. */
function selectorsOfWorkers(objects) {
    const worker = find(objects, 'Deployment', 'tidesync');
    return [
        ...ofKind(objects, 'Service').map((service) =>
            ({ what: idOf(service), selector: { matchLabels: service.spec.selector } })),
        ...ofKind(objects, 'PodDisruptionBudget').map((budget) =>
            ({ what: idOf(budget), selector: budget.spec.selector })),
        { what: 'Deployment/tidesync', selector: worker.spec.selector },
        ...worker.spec.template.spec.topologySpreadConstraints.map((constraint) =>
            ({ what: 'the spread of Deployment/tidesync', selector: constraint.labelSelector })),
    ];
}

const worker = (objects) => {
    const { spec } = find(objects, 'Deployment', 'tidesync').spec.template;
    return { spec, container: spec.containers[0] };
};

/** Seconds that the preStop hook of the worker takes. */
function preStopOf(container) {
    const words = container.lifecycle?.preStop?.exec?.command ?? [];
    return Number(words[words.indexOf('--sleep') + 1] ?? NaN);
}

// -- {name: (objects, overlay) => [what is wrong]} ------------------------------------------------------------------

export const checks = {
    'Services, budget and Deployment select the pods of the Deployment and no others': (objects) =>
        selectorsOfWorkers(objects).flatMap(({ what, selector }) => {
            const found = selected(objects, selector);
            if (found.join() === 'Deployment/tidesync') return [];
            return [`${what} selects ${found.join(' and ') || 'nothing'}`];
        }),

    'there is one budget, and it lets a node be emptied': (objects) => {
        const budgets = ofKind(objects, 'PodDisruptionBudget');
        return budgets.length === 1 && budgets[0].spec.maxUnavailable === 1 && !budgets[0].spec.minAvailable &&
            budgets[0].spec.unhealthyPodEvictionPolicy === 'AlwaysAllow'
            ? [] : [`budgets: ${JSON.stringify(budgets.map((budget) => budget.spec))}`];
    },

    'nobody is without a worker while pods roll': (objects, overlay) => {
        const { spec } = find(objects, 'Deployment', 'tidesync');
        const problems = [];
        if (spec.strategy.type !== 'RollingUpdate' || spec.strategy.rollingUpdate.maxUnavailable !== 0)
            problems.push('a worker goes before the next is there');
        if (overlay !== 'dev' && spec.replicas < 2) problems.push(`${spec.replicas} replicas in production`);
        return problems;
    },

    'the probes of a worker: /livez for startup and liveness, /readyz for readiness, on the admin port': (objects) => {
        const { container } = worker(objects);
        const wanted = { startupProbe: '/livez', livenessProbe: '/livez', readinessProbe: '/readyz' };
        return Object.entries(wanted).flatMap(([probe, path]) => {
            const get = container[probe]?.httpGet;
            if (!get) return [`there is no ${probe}`];
            return get.path === path && get.port === 'admin' ? [] : [`${probe} asks ${get.path} on port ${get.port}`];
        });
    },

    'a worker that stands still is restarted long after SyncLoopStuck has told of it': (objects) => {
        const { periodSeconds, failureThreshold } = worker(objects).container.livenessProbe ?? {};
        const [, turn_s] = /turn_time_max\{(\d+)\}/.exec(textOf('worker/routes.hpp')) ?? [];
        const alerts = ofKind(objects, 'PrometheusRule').flatMap((rule) => rule.spec.groups).flatMap((g) => g.rules);
        const stuck = alerts.find(({ alert }) => alert === 'SyncLoopStuck');
        const [, alert_s] = /> (\d+)$/.exec(stuck?.expr ?? '> 300') ?? []; // dev has no alerts
        const restart_s = Number(turn_s) + periodSeconds * failureThreshold;
        return restart_s >= Number(alert_s) + alert_first_s
            ? [] : [`it is restarted after ${restart_s} s, SyncLoopStuck comes after ${alert_s} s`];
    },

    'probes, Services, Ingress and ServiceMonitor name ports that are there': (objects) => {
        const { spec, container } = worker(objects);
        const ports = new Set(containersOf(spec).flatMap((c) => c.ports ?? []).map((port) => port.name));
        const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'];
        const services = ofKind(objects, 'Service');
        const offered = (name) =>
            services.filter((s) => s.metadata.name === name).flatMap((s) => s.spec.ports).map((port) => port.name);
        const unknown = (where, name) => `${where}: there is no port ${name}`;
        return [
            ...probes.map((probe) => container[probe]?.httpGet?.port)
                .filter((name) => !ports.has(name)).map((name) => unknown('a probe', name)),
            ...services.flatMap((s) => s.spec.ports.filter((p) => !ports.has(p.targetPort))
                .map((p) => unknown(idOf(s), p.targetPort))),
            ...ofKind(objects, 'Ingress').flatMap((ingress) => ingress.spec.rules.flatMap((rule) => rule.http.paths))
                .filter(({ backend: { service } }) => !offered(service.name).includes(service.port.name))
                .map(({ path, backend: { service } }) => unknown(path, `${service.name}:${service.port.name}`)),
            ...ofKind(objects, 'ServiceMonitor').flatMap((monitor) => {
                const of = services.filter((s) => matches(monitor.spec.selector, s.metadata.labels));
                if (of.length !== 1) return [`${idOf(monitor)} finds ${of.length} Services`];
                return monitor.spec.endpoints.filter(({ port }) => !offered(of[0].metadata.name).includes(port))
                    .map(({ port }) => unknown(idOf(monitor), port));
            }),
        ];
    },

    'the numbers of the ports are those that the worker listens on': (objects) => {
        const { container } = worker(objects);
        const wanted = { http: 'TIDESYNC_LISTEN', admin: 'TIDESYNC_ADMIN_LISTEN' };
        return Object.entries(wanted).flatMap(([name, setting]) => {
            const listen = settingOf(objects, container, setting) ?? 'nothing';
            const port = container.ports.find((candidate) => candidate.name === name)?.containerPort;
            if (/^(0\.0\.0\.0|\[::\]):/.test(listen) && listen.endsWith(`:${port}`)) return [];
            return [`port ${name} is ${port}, ${setting} is ${listen}`];
        });
    },

    'the grace of a worker is enough for its preStop, its drain limit and giving runs back': (objects) => {
        const { spec, container } = worker(objects);
        const drain = Number(settingOf(objects, container, 'TIDESYNC_DRAIN_LIMIT') ?? 30);
        const least = preStopOf(container) + drain + give_back_s;
        if (spec.terminationGracePeriodSeconds >= least) return [];
        return [`terminationGracePeriodSeconds is ${spec.terminationGracePeriodSeconds}, and ${least} s may be needed`];
    },

    'the rollout has more patience than await-schema': (objects) => {
        const { spec } = find(objects, 'Deployment', 'tidesync');
        const init = spec.template.spec.initContainers ?? [];
        const args = init.find((container) => container.name === 'await-schema')?.args ?? [];
        if (args[0] !== 'migrate' || args[1] !== '--await') return ['there is no init container await-schema'];
        return Number(args[2]) < spec.progressDeadlineSeconds ? [] : [`it waits ${args[2]} s`];
    },
};
