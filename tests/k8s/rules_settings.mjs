// What containers are told: settings that exist, secrets only as files, and no file that nobody creates.

import { basename } from 'node:path';
import {
    containersOf, environmentOf, find, idOf, mountAt, mountsOf, ofKind, podsOf, textOf,
} from './manifests.mjs';

const mode_0440 = 0o440;

/** Settings that docs/configuration.md knows, from the first column of its table. */
export function knownSettings() {
    const rows = textOf('docs/configuration.md').match(/^\| `[A-Z_0-9]+`.*$/gm) ?? [];
    return new Set(rows.flatMap((row) => row.split('|')[1].match(/[A-Z][A-Z_0-9]{3,}/g)));
}

/** Secrets and their keys, from the commands of k8s/README.md that create them. @returns {secret: Set of keys} */
export function documentedSecrets() {
    const commands = textOf('k8s/README.md').replace(/\\\n/g, ' ').match(/create secret generic .*/g) ?? [];
    const secrets = {};
    for (const command of commands) {
        const [, name] = /create secret generic (\S+)/.exec(command);
        const keys = [...command.matchAll(/--from-file=([^\s=]+)/g)].map(([, key]) => key);
        secrets[name] = new Set([...(secrets[name] ?? []), ...keys]);
    }
    return secrets;
}

const isSecret = (name) =>
    /TOKEN|SIGNING_KEY|SECRET|PASSWORD|DATABASE_URL|ALARM_URL|PING_URL/.test(name) && !name.endsWith('_FILE');

/** Calls `look` for each container, and says whose it is what was found. */
const everyContainer = (objects, look) => podsOf(objects).flatMap((pod) => containersOf(pod.spec)
    .flatMap((container) => look(container, pod).map((problem) => `${pod.id} ${container.name}: ${problem}`)));

export const checks = {
    'no Secret is in the tree': (objects) => ofKind(objects, 'Secret').map(idOf),

    'secrets are no variables': (objects) => everyContainer(objects, (container) => [
        ...(container.envFrom ?? []).filter((from) => from.secretRef).map((from) => `all of ${from.secretRef.name}`),
        ...environmentOf(objects, container)
            .filter(({ name, value, valueFrom }) => valueFrom?.secretKeyRef || (value && isSecret(name)))
            .map(({ name }) => name),
    ]),

    'no ConfigMap holds a password': (objects) => ofKind(objects, 'ConfigMap').flatMap((map) =>
        Object.entries(map.data).filter(([, value]) => /:\/\/[^\s/]*:[^\s/]*@|sig_\w{8}|whsec_/.test(value))
            .map(([key]) => `${idOf(map)} ${key}`)),

    'every variable is a setting that docs/configuration.md knows': (objects) => {
        const known = knownSettings();
        return everyContainer(objects, (container) => environmentOf(objects, container)
            .map(({ name }) => name).filter((name) => !known.has(name.replace(/_FILE$/, ''))));
    },

    'no setting is given twice, in a variable and in a file': (objects) => everyContainer(objects, (container) => {
        const names = environmentOf(objects, container).map(({ name }) => name.replace(/_FILE$/, ''));
        return names.filter((name, at) => names.indexOf(name) !== at);
    }),

    'the file of a setting is in a Secret that is mounted, under the name of the setting': (objects) =>
        everyContainer(objects, (container, pod) => environmentOf(objects, container)
            .filter(({ name }) => name.endsWith('_FILE')).flatMap(({ name, value }) => {
                const secret = mountAt(pod.spec, container, value)?.volume?.secret;
                if (!secret) return [`${name} is ${value}, which no Secret is mounted at`];
                return basename(value) === name.replace(/_FILE$/, '') ? [] : [`${name} is ${value}`];
            })),

    'k8s/README.md creates every key of a Secret that is read': (objects) => {
        const documented = documentedSecrets();
        return everyContainer(objects, (container, pod) => environmentOf(objects, container)
            .filter(({ name }) => name.endsWith('_FILE')).flatMap(({ value }) => {
                const name = mountAt(pod.spec, container, value)?.volume?.secret?.secretName;
                return documented[name]?.has(basename(value)) ? [] : [`${basename(value)} of ${name}`];
            }));
    },

    'every Secret that is mounted is read, by mode 0440, and nobody writes to it': (objects) =>
        everyContainer(objects, (container, pod) => mountsOf(pod.spec, container).flatMap((mount) => {
            const secret = mount.volume?.secret;
            if (!mount.volume) return [`there is no volume ${mount.name}`];
            if (!mount.readOnly) return [`${mount.path} may be written`];
            if (!secret) return [];
            const problems = [];
            if (secret.defaultMode !== mode_0440)
                problems.push(`${mount.path} has mode ${secret.defaultMode?.toString(8)}`);
            if (secret.optional) problems.push(`${mount.path} may be missing, and its files are not optional`);
            const used = environmentOf(objects, container).some(({ value }) => value?.startsWith(`${mount.path}/`));
            if (!used) problems.push(`${mount.path} is mounted and not used`);
            return problems;
        })),

    'the owner of the schemas is known to the migration alone': (objects) => everyContainer(objects, (container, pod) =>
        mountsOf(pod.spec, container).map((mount) => mount.volume?.secret?.secretName)
            .filter((name) => (name === 'tidesync-owner') !== (pod.id === 'Job/tidesync-migrate'))
            .filter((name) => name === 'tidesync-owner' || pod.id === 'Job/tidesync-migrate')),

    'k8s/README.md knows the role that the migration grants to': (objects) => {
        const [{ args }] = find(objects, 'Job', 'tidesync-migrate').spec.template.spec.containers;
        const [verb, option, role] = args;
        if (verb !== 'migrate' || option !== '--grant-to' || args.length !== 3) return [`its arguments are ${args}`];
        return textOf('k8s/README.md').includes(`the worker's is called \`${role}\``) ? [] : [`it grants to ${role}`];
    },

    'a changed ConfigMap has another name, so that pods roll': (objects) => {
        const names = ofKind(objects, 'ConfigMap').map((map) => map.metadata.name);
        const used = podsOf(objects).flatMap((pod) => [
            ...(pod.spec.volumes ?? []).map((volume) => volume.configMap?.name),
            ...containersOf(pod.spec).flatMap((container) => container.envFrom ?? [])
                .map((from) => from.configMapRef?.name),
        ]).filter(Boolean);
        return [
            ...names.filter((name) => !/-[0-9a-z]{10}$/.test(name)).map((name) => `${name} has no hash`),
            ...used.filter((name) => !names.includes(name)).map((name) => `there is no ${name}`),
            ...names.filter((name) => !used.includes(name)).map((name) => `nobody uses ${name}`),
        ];
    },

    'the job file is where TIDESYNC_CONFIG says': (objects) => everyContainer(objects, (container, pod) => {
        if (!['serve', 'ensure', 'run'].includes(container.args?.[0])) return [];
        const path = environmentOf(objects, container).find(({ name }) => name === 'TIDESYNC_CONFIG')?.value ?? '';
        const map = mountAt(pod.spec, container, path)?.volume?.configMap;
        const found = ofKind(objects, 'ConfigMap').find((candidate) => candidate.metadata.name === map?.name);
        return found?.data[basename(path)] ? [] : [`TIDESYNC_CONFIG is '${path}', and nothing is there`];
    }),
};
