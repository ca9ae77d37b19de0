// What each alert has to do, as a story: series by the minute, and when it is silent and when it fires. It begins at 0.

const hour = 60;

/** `value` from minute `from` on, absent before; for two days. */
const since = (from, value) => (from > 0 ? `_x${from} ` : '') + `${value}x${2880 - from}`;

const job = (metric, values, { job_name = 'slave-to-prod', namespace = 'tidesync', pod = 'a' } = {}) =>
    [`${metric}{namespace="${namespace}",job_name="${job_name}",pod="${pod}"}`, values];
const last_success = (values, labels) => job('worker_job_last_success_timestamp_seconds', values, labels);
const next_expected = (values, labels) => job('worker_job_next_expected_timestamp_seconds', values, labels);
const paused = (values, labels) => job('worker_job_paused', values, labels);
/** A series of kube-state-metrics about the CronJob, or that of a group. */
const kube = (metric, values, cronjob = 'tidesync-fallback', namespace = 'tidesync') =>
    [`${metric}{namespace="${namespace}",cronjob="${cronjob}"}`, values];
const succeeded = (values, cronjob) => kube('kube_cronjob_status_last_successful_time', values, cronjob);
const created = (values, cronjob) => kube('kube_cronjob_created', values, cronjob);
const suspended = (values, cronjob, namespace) => kube('kube_cronjob_spec_suspend', values, cronjob, namespace);
/** Its last tick at 0, its next after a slot of so many hours. */
const ticks = (slot_h, cronjob) => [
    kube('kube_cronjob_status_last_schedule_time', '0x2880', cronjob),
    kube('kube_cronjob_next_schedule_time', `${slot_h * 3600}x2880`, cronjob),
];
const failed_job = (condition, cronjob = 'tidesync-fallback') => [
    [`kube_job_failed{namespace="tidesync",job_name="${cronjob}-28",condition="${condition}"}`, since(60, 1)],
    [`kube_job_created{namespace="tidesync",job_name="${cronjob}-28"}`, since(60, 2700)],
];
const alarm_loop = (namespace) =>
    [`worker_loop_last_tick_timestamp_seconds{namespace="${namespace}",loop="alarm"}`, '0+60x2880'];
const build_info = (namespace, values) => [`worker_build_info{namespace="${namespace}",version="1"}`, values];
const replicas = (namespace, values) =>
    [`kube_deployment_spec_replicas{namespace="${namespace}",deployment="tidesync"}`, values];

const logs = { job_name: 'slave-to-prod-logs' };
const main = { namespace: 'tidesync', job_name: 'slave-to-prod' };
const everywhere = { namespace: 'tidesync' };
const fallback = { namespace: 'tidesync', cronjob: 'tidesync-fallback' };
const of_logs = { namespace: 'tidesync', cronjob: 'tidesync-fallback-logs' };
const fallback_28 = { ...fallback, job_name: 'tidesync-fallback-28' };

/** {alert, story, series, silent: [minutes], fires: [minutes], labels, step: minutes between two evaluations, 1} */
export const cases = [
    {
        alert: 'SyncLate', story: 'silent for 6 h 50 min, and for 5 minutes after 7 h',
        series: [last_success('0x2880'), next_expected('25200x2880'), paused('0x2880')],
        silent: [6 * hour + 50, 7 * hour, 7 * hour + 5], fires: [7 * hour + 6, 9 * hour], labels: main,
    },
    {
        alert: 'SyncLate', story: 'the worker that knows best is believed',
        series: [last_success('0x2880'), next_expected('25200x2880'), paused('0x2880'),
            next_expected('46800x2880', { pod: 'b' }), paused('0x2880', { pod: 'b' })],
        silent: [8 * hour], fires: [13 * hour + 10], labels: main, step: 5,
    },
    {
        alert: 'SyncLate', story: 'without a time from the worker it is 7 h since the last success',
        series: [last_success('0x2880')],
        silent: [6 * hour + 50, 7 * hour + 5], fires: [7 * hour + 6], labels: main,
    },
    {
        alert: 'SyncLate', story: 'silent while the job is paused',
        series: [last_success('0x2880'), next_expected('25200x2880'), paused('1x2880')],
        silent: [7 * hour + 10, 12 * hour], step: 5,
    },
    {
        alert: 'SyncLate', story: 'a group of another rhythm is judged by its own',
        series: [last_success('0x2880', { job_name: 'slave-to-prod-daily' }),
            next_expected('90000x2880', { job_name: 'slave-to-prod-daily' })],
        silent: [8 * hour, 25 * hour], fires: [25 * hour + 10], labels: { ...main, job_name: 'slave-to-prod-daily' },
        step: 5,
    },
    {
        alert: 'SyncLate', story: 'a job that never succeeded is late, too',
        series: [next_expected('25200x2880'), paused('0x2880')],
        silent: [7 * hour], fires: [7 * hour + 10], labels: main, step: 5,
    },
    {
        alert: 'SyncLate', story: 'success elsewhere is none here',
        series: [next_expected('25200x2880'), next_expected('90000x2880', { namespace: 'tidesync-dev' })],
        fires: [7 * hour + 10], labels: main, step: 5,
    },
    {
        alert: 'SyncDead', story: 'for a quarter of an hour after a run died',
        series: [job('worker_job_last_dead_timestamp_seconds', since(60, 3600))],
        silent: [59, 75], fires: [60, 74], labels: main,
    },
    {
        alert: 'SyncPausedForLong', story: 'after a day', series: [paused('1x2880')],
        silent: [23 * hour], fires: [24 * hour + 5], labels: main, step: 5,
    },
    {
        alert: 'SyncPausedForLong', story: 'not after two pauses of half a day', series: [paused('1x800 0x5 1x2000')],
        silent: [24 * hour + 5], step: 5,
    },
    {
        alert: 'SyncFallbackRan', story: 'for an hour after the fallback made a run, whoever worked on it',
        series: [job('worker_job_last_fallback_timestamp_seconds', since(45, 2700))],
        silent: [44, 105], fires: [45, 104], labels: main,
    },
    {
        alert: 'SyncFallbackRan', story: 'for a group as well',
        series: [job('worker_job_last_fallback_timestamp_seconds', since(45, 2700), logs)],
        fires: [46], labels: { ...main, ...logs },
    },
    {
        alert: 'SyncStoreAway', story: 'when no worker reaches it for five minutes',
        series: [['worker_store_up{namespace="tidesync",pod="a"}', '0x2880'],
            ['worker_store_up{namespace="tidesync",pod="b"}', '1x10 0x2880']],
        silent: [10, 15], fires: [16], labels: everywhere,
    },
    {
        alert: 'SyncLoopStuck', story: 'five minutes after its last turn',
        series: [['worker_loop_last_tick_timestamp_seconds{instance="a",loop="claim"}', '600x2880'],
            ['worker_loop_last_tick_timestamp_seconds{instance="a",loop="tend"}', '0+60x2880']],
        silent: [15], fires: [16], labels: { instance: 'a', loop: 'claim' },
    },
    {
        alert: 'SyncLeasesLost', story: 'three in an hour', fires: [40], labels: everywhere,
        series: [['worker_lease_rescues_total{namespace="tidesync"}', '0x10 1x5 3x60 3x2880']], silent: [12, 80],
    },
    {
        alert: 'SyncLeasesLost', story: 'not for one', silent: [40],
        series: [['worker_lease_rescues_total{namespace="tidesync"}', '0x10 1x2880']],
    },
    {
        alert: 'SyncFenced', story: 'at once, for a quarter of an hour', fires: [22], labels: everywhere,
        series: [['worker_fence_rejections_total{namespace="tidesync",target="production"}', '0x20 1x2880']],
        silent: [20, 40],
    },
    {
        alert: 'SyncKeysRotated', story: 'by the next key alone', fires: [22], labels: everywhere,
        series: [['worker_signature_key_matches_total{namespace="tidesync",key="next",region=""}', '0x20 1x2880'],
            ['worker_signature_key_matches_total{namespace="tidesync",key="current",region=""}', '0+1x2880']],
        silent: [20, 90],
    },
    {
        alert: 'SyncNobodyTold', story: 'when an alarm was given up', fires: [22], labels: everywhere,
        series: [['worker_alarm_tries_total{namespace="tidesync",outcome="given_up"}', '0x20 1x2880'],
            ['worker_alarm_tries_total{namespace="tidesync",outcome="sent"}', '0+1x2880']],
        silent: [20, 90],
    },
    {
        alert: 'SyncNobodyTold', story: 'when more than ten wait', fires: [22], labels: everywhere,
        series: [['worker_alarms_waiting{namespace="tidesync"}', '10x20 11x2880'], alarm_loop('tidesync')],
        silent: [20],
    },
    {
        alert: 'SyncNobodyTold', story: 'not where nobody is to be told, as TIDESYNC_ALARM_URL is not set',
        series: [['worker_alarms_waiting{namespace="tidesync"}', '11x2880'], alarm_loop('tidesync-b'),
            ['worker_loop_last_tick_timestamp_seconds{namespace="tidesync",loop="claim"}', '0+60x2880']],
        silent: [22, 60],
    },
    {
        alert: 'SyncAbsent', story: 'ten minutes after the last scrape', labels: {},
        series: [build_info('tidesync', '1x20')], silent: [20, 30], fires: [40],
    },
    {
        alert: 'SyncAbsent', story: 'also while another installation is scraped', labels: everywhere,
        series: [build_info('tidesync', '1x20'), build_info('tidesync-b', '1x2880'), replicas('tidesync', '2x2880'),
            replicas('tidesync-b', '2x2880')],
        silent: [20, 30], fires: [40],
    },
    {
        alert: 'SyncAbsent', story: 'once, where none is scraped and it is known where one should be',
        series: [replicas('tidesync', '2x2880')], fires: [40], labels: everywhere,
    },
    {
        alert: 'SyncAbsent', story: 'not for one that is scaled to none, nor for the overlay dev', silent: [40],
        series: [build_info('tidesync-b', '1x2880'), replicas('tidesync', '0x2880'),
            replicas('tidesync-dev', '1x2880')],
    },
    {
        alert: 'SyncAbsent', story: 'not where Prometheus sets no namespaces', silent: [40],
        series: [['worker_build_info{version="1"}', '1x2880'], replicas('tidesync', '2x2880')],
    },
    {
        alert: 'SyncFallbackFailed', story: 'until a later one succeeds', labels: fallback_28, step: 5,
        series: [...failed_job('true'), succeeded('0x400 24300x2880')], silent: [55, 405], fires: [60, 400],
    },
    {
        alert: 'SyncFallbackFailed', story: 'also where none ever succeeded',
        series: failed_job('true'), fires: [61], labels: fallback_28,
    },
    {
        alert: 'SyncFallbackFailed', story: 'for that of a group, whatever becomes of the others', step: 5,
        series: [...failed_job('true', of_logs.cronjob), succeeded('0x20 24300x2880'),
            succeeded('0x400 24300x2880', of_logs.cronjob)],
        silent: [55, 405], fires: [60, 400], labels: { ...of_logs, job_name: 'tidesync-fallback-logs-28' },
    },
    {
        alert: 'SyncFallbackFailed', story: 'not for one that goes on, nor for Jobs of others', silent: [61],
        series: [...failed_job('false'), ...failed_job('true', 'backup')],
    },
    {
        alert: 'SyncFallbackSilent', story: 'after two ticks and an hour', labels: fallback,
        series: [succeeded('0x2880'), ...ticks(6)], silent: [13 * hour, 13 * hour + 10], fires: [13 * hour + 15],
        step: 5,
    },
    {
        alert: 'SyncFallbackSilent', story: 'where none ever succeeded', labels: fallback,
        series: [created('0x2880'), ...ticks(6)], silent: [13 * hour], fires: [13 * hour + 15], step: 5,
    },
    {
        alert: 'SyncFallbackSilent', story: 'where none ever began', labels: fallback, step: 5,
        series: [created('0x2880'), ticks(6)[1]], silent: [13 * hour], fires: [13 * hour + 15],
    },
    {
        alert: 'SyncFallbackSilent', story: 'for that of a group, by its own rhythm', step: 5,
        series: [succeeded('0x30 1800x2880'), ...ticks(6), succeeded('0x2880', of_logs.cronjob),
            ...ticks(1, of_logs.cronjob)],
        silent: [3 * hour, 3 * hour + 10], fires: [3 * hour + 15, 12 * hour], labels: of_logs,
    },
    {
        alert: 'SyncFallbackSilent', story: 'not for that of a group that comes once a day', step: 5,
        series: [succeeded('0x2880', of_logs.cronjob), ...ticks(24, of_logs.cronjob)], silent: [14 * hour, 30 * hour],
    },
    {
        alert: 'SyncFallbackSilent', story: 'not while it is suspended, nor for CronJobs of others', step: 5,
        series: [succeeded('0x2880'), ...ticks(6), suspended('1x2880'), succeeded('0x2880', 'backup'),
            ...ticks(6, 'backup')],
        silent: [20 * hour],
    },
    {
        alert: 'SyncFallbackSuspended', story: 'after a day', labels: fallback, step: 5,
        series: [suspended('1x2880')], silent: [23 * hour], fires: [24 * hour + 5],
    },
    {
        alert: 'SyncFallbackSuspended', story: 'for that of a group as well', step: 5,
        series: [suspended('0x2880'), suspended('1x2880', of_logs.cronjob)],
        fires: [24 * hour + 5], labels: of_logs,
    },
    {
        alert: 'SyncFallbackSuspended', story: 'not in the overlay dev, nor for CronJobs of others', step: 5,
        series: [suspended('1x2880', 'tidesync-fallback', 'tidesync-dev'), suspended('1x2880', 'backup')],
        silent: [24 * hour + 5, 30 * hour],
    },
];

/** [alert, what somebody wrote, instead of]: each has to be noticed by a story of that alert. */
export const mistakes = [
    ['SyncLate', '8 * 3600', '7 * 3600'],
    ['SyncLate', '6 * 3600', '7 * 3600'],
    ['SyncLate', '(worker_job_paused) == 2', '(worker_job_paused) == 1'],
    ['SyncLate', 'min by (namespace, job_name) (worker_job_next', 'max by (namespace, job_name) (worker_job_next'],
    ['SyncLate', 'max by (job_name)', 'max by (namespace, job_name)'],
    ['SyncLate', '(worker_job_next_expected_timestamp_secnds)', '(worker_job_next_expected_timestamp_seconds)'],
    ['SyncDead', '< 9000', '< 900'],
    ['SyncPausedForLong', '== 0', '== 1'],
    ['SyncFallbackRan', '< 360', '< 3600'],
    ['SyncFallbackRan', 'worker_job_last_success_timestamp_seconds', 'worker_job_last_fallback_timestamp_seconds'],
    ['SyncStoreAway', 'min by', 'max by'],
    ['SyncLoopStuck', '> 3000', '> 300'],
    ['SyncLeasesLost', '> 0', '> 2'],
    ['SyncFenced', '[1h]', '[15m]'],
    ['SyncKeysRotated', 'key="current"', 'key="next"'],
    ['SyncNobodyTold', '> 1', '> 10'],
    ['SyncNobodyTold', 'loop="claim"', 'loop="alarm"'],
    ['SyncNobodyTold', 'outcome="sent"', 'outcome="given_up"'],
    ['SyncAbsent', 'absent(worker_build_inf)', 'absent(worker_build_info)'],
    ['SyncAbsent', 'unless max(worker_build_info)', 'unless max by (namespace) (worker_build_info)'],
    ['SyncAbsent', 'worker_build_info{namespace="x"}', 'worker_build_info{namespace=""}'],
    ['SyncAbsent', 'or absent', 'or on () absent'],
    ['SyncAbsent', 'deployment="tidesync"', 'deployment="tidesync", namespace!~".+-dev"'],
    ['SyncAbsent', '>= 0', '> 0'],
    ['SyncFallbackFailed', '> on', '< on'],
    ['SyncFallbackFailed', 'condition="false"', 'condition="true"'],
    ['SyncFallbackFailed', 'job_name=~".+"', 'job_name=~"tidesync-fallback.*-[0-9]+"'],
    ['SyncFallbackFailed', 'cronjob="tidesync-fallback"', 'cronjob=~"tidesync-fallback.*"'],
    ['SyncFallbackFailed', '"(tidesync-fallback)-.+"', '"(.+)-[0-9]+"'],
    ['SyncFallbackSilent', '== 2', '== 1'],
    ['SyncFallbackSilent', '> 7200 +', '> 3600 +'],
    ['SyncFallbackSilent', '+ 3 *', '+ 2 *'],
    ['SyncFallbackSilent', '(namespace)', '(namespace, cronjob)'],
    ['SyncFallbackSilent', 'cronjob="tidesync-fallback"', 'cronjob=~"tidesync-fallback.*"'],
    ['SyncFallbackSilent', 'cronjob=~".+"', 'cronjob=~"tidesync-fallback.*"'],
    ['SyncFallbackSilent', 'kube_cronjob_creatd', 'kube_cronjob_created'],
    ['SyncFallbackSuspended', '== 0', '== 1'],
    ['SyncFallbackSuspended', 'cronjob=~"tidesync-fallback"', 'cronjob=~"tidesync-fallback.*"'],
    ['SyncFallbackSuspended', 'cronjob=~".+"', 'cronjob=~"tidesync-fallback.*"'],
    ['SyncFallbackSuspended', 'namespace=~".*"', 'namespace!~".+-dev"'],
];
