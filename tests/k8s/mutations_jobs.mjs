// Mistakes in the CronJob and the migration, as in mutations.mjs.

import { cronjob, fallback, job, jobFile, pod, worker } from './parts.mjs';

/** [rule, change, says, overlay] */
export const mutations = [
    ['each job of the job file has one CronJob',
        (o) => jobFile(o, 'jobs: {slave-to-prod: {groups: {logs: {tables: [public.logs]}}}}'),
        /0 CronJobs ensure slave-to-prod-logs/],
    ['each job of the job file has one CronJob',
        (o) => (fallback(o).spec.containers[0].args[1] = 'slave-to-prd'), /slave-to-prd, which is no job/],
    ['a CronJob comes 45 minutes after each slot of its job, in UTC',
        (o) => (cronjob(o).schedule = '15 */6 * * *'), /'15 \*\/6/],
    ['a CronJob comes 45 minutes after each slot of its job, in UTC',
        (o) => (cronjob(o).schedule = '45 */8 * * *'), /21600 s differ/],
    ['a CronJob comes 45 minutes after each slot of its job, in UTC',
        (o) => jobFile(o, 'jobs: {slave-to-prod: {slot_every_s: 10800}}'), /10800 s differ/],
    ['a CronJob comes 45 minutes after each slot of its job, in UTC',
        (o) => delete cronjob(o).timeZone, /time zone undefined/],
    ['a CronJob says that it is awake, so that `apply` ends a pause for maintenance; in dev it sleeps',
        (o) => delete cronjob(o).suspend, /tidesync-fallback has suspend undefined/],
    ['a CronJob says that it is awake, so that `apply` ends a pause for maintenance; in dev it sleeps',
        (o) => (cronjob(o).suspend = true), /tidesync-fallback has suspend true/],
    ['a CronJob says that it is awake, so that `apply` ends a pause for maintenance; in dev it sleeps',
        (o) => (cronjob(o).suspend = false), /tidesync-fallback has suspend false/, 'dev'],
    ['a fallback works for its slot, is alone, and is not tried again where a person has to look',
        (o) => (cronjob(o).concurrencyPolicy = 'Allow'), /concurrencyPolicy Allow/],
    ['a fallback works for its slot, is alone, and is not tried again where a person has to look',
        (o) => (cronjob(o).jobTemplate.spec.activeDeadlineSeconds = 1800), /its limit is 1800 s/],
    ['a fallback works for its slot, is alone, and is not tried again where a person has to look',
        (o) => fallback(o).spec.containers[0].args.pop(), /args ensure/],
    ['a fallback works for its slot, is alone, and is not tried again where a person has to look',
        (o) => (cronjob(o).startingDeadlineSeconds = 5), /late start/],
    ['a fallback outlasts a database that is away for ten minutes',
        (o) => (cronjob(o).jobTemplate.spec.backoffLimit = 2), /gives up after pauses of 30 s/],
    ['a fallback outlasts a database that is away for ten minutes',
        (o) => (cronjob(o).jobTemplate.spec.activeDeadlineSeconds = 500), /gives up after pauses of 500 s/],
    ['a Job ends: it has limits, is forgotten, and does not repeat what cannot get better',
        (o) => delete job(o).activeDeadlineSeconds, /migrate has no activeDeadlineSeconds/],
    ['a Job ends: it has limits, is forgotten, and does not repeat what cannot get better',
        (o) => (cronjob(o).jobTemplate.spec.podFailurePolicy.rules[0].onExitCodes.values = [64]),
        /fallback tries again/],
    ['a Job ends: it has limits, is forgotten, and does not repeat what cannot get better',
        (o) => (cronjob(o).jobTemplate.spec.podFailurePolicy.rules[0].onExitCodes.containerName = 'worker'),
        /no container worker/],
    ['a Job ends: it has limits, is forgotten, and does not repeat what cannot get better',
        (o) => job(o).podFailurePolicy.rules.pop(), /migrate counts a drained node/],
    ['a Job ends: it has limits, is forgotten, and does not repeat what cannot get better',
        (o) => (fallback(o).spec.restartPolicy = 'OnFailure'), /restarts OnFailure/],
    ['the migration is out of the way of the next within ten minutes',
        (o) => (job(o).ttlSecondsAfterFinished = 86400), /86400 s/],
    ['the fallback needs neither keys nor tokens of QStash and people',
        (o) => (fallback(o).spec.containers[0].envFrom = worker(o).envFrom), /TIDESYNC_PUBLIC_URL/],
    ['the fallback needs neither keys nor tokens of QStash and people', (o) => {
        fallback(o).spec.volumes.push(pod(o).volumes.find((volume) => volume.name === 'qstash'));
        const mount = worker(o).volumeMounts.find((candidate) => candidate.name === 'qstash');
        fallback(o).spec.containers[0].volumeMounts.push(mount);
    }, /mounts tidesync-qstash/],
];
