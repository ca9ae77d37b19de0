// The CronJob and the migration: when they come, how long they may take, what is tried again, what they must not need.

import { environmentOf, find, idOf, jobFileOf, jobsOf, mountsOf, ofKind, podsOf, textOf } from './manifests.mjs';

const fallback_delay_min = 45; // after the slot: QStash has spent its retries by then

const spare_s = 600; // between the end of a fallback and the next tick
const outage_s = 600; // a database is away, or fails over: what a fallback has to outlast

/** Seconds that Kubernetes waits in all before it gives a Job up: 10, doubled each time, and at most 6 minutes. */
export const pausesOf = (backoffLimit) =>
    Array.from({ length: backoffLimit }, (_, n) => Math.min(10 * 2 ** n, 360)).reduce((sum, pause) => sum + pause, 0);

function field(text, from, to) {
    const numbers = new Set();
    for (const part of text.split(',')) {
        const [, range, step] = /^(\*|\d+(?:-\d+)?)(?:\/(\d+))?$/.exec(part) ?? [];
        if (range === undefined) throw new Error(`nobody here reads '${part}' in a schedule`);
        const [first, last] = range === '*' ? [from, to] : range.split('-').map(Number);
        for (let n = first; n <= (last ?? (step ? to : first)); n += Number(step ?? 1)) numbers.add(n);
    }
    return [...numbers];
}

/** Minutes of the day, ascending, of a schedule of every day. */
export function minutesOf(schedule) {
    const [minute, hour, ...days] = schedule.split(/\s+/);
    if (days.join(' ') !== '* * *') throw new Error(`'${schedule}' is not for every day`);
    return field(hour, 0, 23).flatMap((h) => field(minute, 0, 59).map((m) => h * 60 + m)).sort((a, b) => a - b);
}

/** Minutes of the day of the fallback of a job, by its slots. */
export function fallbackMinutes(slot_every_s) {
    if (86400 % slot_every_s !== 0 || slot_every_s < 3600)
        throw new Error(`slots of ${slot_every_s} s are no whole part of a day of an hour or more: choose by hand`);
    const slots = Array.from({ length: 86400 / slot_every_s }, (_, n) => (n * slot_every_s) / 60);
    return slots.map((slot) => slot + fallback_delay_min);
}

const ensures = (objects) => ofKind(objects, 'CronJob').map((cronjob) => {
    const [container] = cronjob.spec.jobTemplate.spec.template.spec.containers;
    return { cronjob, container, job: container.args?.[0] === 'ensure' ? container.args[1] : undefined };
});

// -- {name: (objects, overlay) => [what is wrong]} ------------------------------------------------------------------

export const checks = {
    'each job of the job file has one CronJob': (objects) => {
        const jobs = jobsOf(jobFileOf(objects)).map((job) => job.name);
        const served = ensures(objects).map((entry) => entry.job);
        return [
            ...jobs.filter((job) => served.filter((name) => name === job).length !== 1)
                .map((job) => `${served.filter((name) => name === job).length} CronJobs ensure ${job}`),
            ...served.filter((name) => !jobs.includes(name))
                .map((name) => `a CronJob ensures ${name}, which is no job`),
        ];
    },

    'a CronJob comes 45 minutes after each slot of its job, in UTC': (objects) => {
        const jobs = jobsOf(jobFileOf(objects));
        return ensures(objects).flatMap(({ cronjob, job }) => {
            const rules = jobs.find((candidate) => candidate.name === job);
            if (!rules) return [`${idOf(cronjob)} ensures no job`];
            const { schedule, timeZone } = cronjob.spec;
            const wanted = fallbackMinutes(rules.slot_every_s).join();
            if (timeZone !== 'Etc/UTC') return [`${idOf(cronjob)} is in time zone ${timeZone}`];
            if (minutesOf(schedule).join() === wanted) return [];
            return [`'${schedule}' and slots of ${rules.slot_every_s} s differ`];
        });
    },

    // A live value that neither the file nor the last one applied has is nobody's to `apply`, which leaves it alone.
    'a CronJob says that it is awake, so that `apply` ends a pause for maintenance; in dev it sleeps':
        (objects, overlay) => ofKind(objects, 'CronJob')
            .filter((cronjob) => cronjob.spec.suspend !== (overlay === 'dev'))
            .map((cronjob) => `${idOf(cronjob)} has suspend ${cronjob.spec.suspend}`),

    'a fallback works for its slot, is alone, and is not tried again where a person has to look': (objects) =>
        ensures(objects).flatMap(({ cronjob, container, job }) => {
            const { spec } = cronjob;
            const slot = jobsOf(jobFileOf(objects)).find((candidate) => candidate.name === job)?.slot_every_s;
            const wrong = (what) => `${idOf(cronjob)}: ${what}`;
            const problems = [];
            if (container.args.slice(2).join(' ') !== '--slot current --wait')
                problems.push(wrong(`args ${container.args}`));
            if (spec.concurrencyPolicy !== 'Forbid')
                problems.push(wrong(`concurrencyPolicy ${spec.concurrencyPolicy}`));
            const limit = spec.jobTemplate.spec.activeDeadlineSeconds;
            if (limit !== slot - spare_s) problems.push(wrong(`its limit is ${limit} s, its slot ${slot} s`));
            if (!/^tidesync-fallback(-|$)/.test(cronjob.metadata.name))
                problems.push(wrong('alerts look for tidesync-fallback-NAME'));
            if (!(spec.startingDeadlineSeconds >= 600)) problems.push(wrong('a late start is no start'));
            return problems;
        }),

    'a fallback outlasts a database that is away for ten minutes': (objects) =>
        ensures(objects).flatMap(({ cronjob }) => {
            const { backoffLimit, activeDeadlineSeconds } = cronjob.spec.jobTemplate.spec;
            const pauses = Math.min(pausesOf(backoffLimit), activeDeadlineSeconds);
            return pauses >= outage_s ? [] : [`${idOf(cronjob)} gives up after pauses of ${pauses} s`];
        }),

    'a Job ends: it has limits, is forgotten, and does not repeat what cannot get better': (objects) =>
        podsOf(objects).filter((pod) => /^(Cron)?Job\//.test(pod.id)).flatMap((pod) => {
            const spec = pod.owner.spec.jobTemplate?.spec ?? pod.owner.spec;
            const rules = spec.podFailurePolicy?.rules ?? [];
            const fails = rules.find((rule) => rule.action === 'FailJob')?.onExitCodes;
            const ignores = rules.find((rule) => rule.action === 'Ignore')?.onPodConditions ?? [];
            const problems = [];
            for (const name of ['backoffLimit', 'activeDeadlineSeconds', 'ttlSecondsAfterFinished'])
                if (!(spec[name] >= 0)) problems.push(`has no ${name}`);
            if (![64, 78].every((code) => fails?.values.includes(code)) || fails.operator !== 'In')
                problems.push('tries again after exit 64 or 78');
            if (!pod.spec.containers.some((container) => container.name === fails?.containerName))
                problems.push(`has no container ${fails?.containerName}`);
            if (!ignores.some((condition) => condition.type === 'DisruptionTarget'))
                problems.push('counts a drained node');
            if (pod.spec.restartPolicy !== 'Never') problems.push(`restarts ${pod.spec.restartPolicy}`);
            return problems.map((problem) => `${pod.id} ${problem}`);
        }),

    'the migration is out of the way of the next within ten minutes': (objects) => {
        const { ttlSecondsAfterFinished: ttl } = find(objects, 'Job', 'tidesync-migrate').spec;
        return ttl <= 600 ? [] : [`it stays for ${ttl} s`];
    },

    'Argo CD and Flux may replace the migration': (objects) => {
        const wanted = {
            'argocd.argoproj.io/hook': 'Sync', 'argocd.argoproj.io/hook-delete-policy': 'BeforeHookCreation',
            'kustomize.toolkit.fluxcd.io/force': 'enabled',
        };
        const { annotations = {} } = find(objects, 'Job', 'tidesync-migrate').metadata;
        return Object.keys(wanted).filter((name) => annotations[name] !== wanted[name])
            .map((name) => `${name} is ${annotations[name]}`);
    },

    // `wait` does not see a failure, so that whoever waits for longer finds no logs any more.
    'k8s/README.md waits for a migration while its logs are there, and shows them': (objects) => {
        const { ttlSecondsAfterFinished: ttl } = find(objects, 'Job', 'tidesync-migrate').spec;
        const waits = textOf('k8s/README.md').match(/kubectl .* wait .*job\/tidesync-migrate.*(\n.*)?/g) ?? [];
        const says = / --timeout=(\d+)m \|\|\n +kubectl .* logs -l app\.kubernetes\.io\/component=migration\b/;
        return [
            ...(waits.length >= 2 ? [] : [`it waits ${waits.length} times`]),
            ...waits.filter((command) => !(Number(says.exec(command)?.[1]) * 60 < ttl))
                .map((command) => `logs stay for ${ttl} s, too short for ${command}`),
        ];
    },

    'the fallback needs neither keys nor tokens of QStash and people': (objects) => {
        const fallbacks = podsOf(objects).filter((pod) => pod.id.startsWith('CronJob/'));
        if (fallbacks.length === 0) throw new Error('there is no CronJob');
        return fallbacks.flatMap((pod) => pod.spec.containers.flatMap((container) => [
            ...environmentOf(objects, container).map((variable) => variable.name)
                .filter((name) => /QSTASH|ADMIN|PUBLIC|LISTEN/.test(name)).map((name) => `${pod.id} has ${name}`),
            ...mountsOf(pod.spec, container).map((mount) => mount.volume?.secret?.secretName)
                .filter((name) => name && !['tidesync-databases', 'tidesync-alarms'].includes(name))
                .map((name) => `${pod.id} mounts ${name}`),
        ]));
    },
};
