// The objects of each overlay, as kustomize builds them, and what a container of them is given: arguments, environment
// and files, with its mounts in a folder of ours, so that a test can run it as a process.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

export const root = required('TIDESYNC_ROOT');
export const kubectls = { current: required('KUBECTL'), oldest: required('KUBECTL_OLDEST') };

export function required(name) {
    if (!process.env[name]) throw new Error(`${name} is not set: run the tests with ./dev test k8s`);
    return process.env[name];
}

export const textOf = (path) => readFileSync(join(root, path), 'utf8');

// -- objects ----------------------------------------------------------------------------------------------------------

/** What is checked. `alarms` is production with the component that is off until there is a Secret for it. */
export const overlayNames = ['dev', 'production', 'alarms'];

const built = new Map();

/** @returns a copy of the objects of an overlay, for the caller to change as it likes */
export function overlay(name) {
    if (!built.has(name)) built.set(name, build(folderOf(name)));
    return structuredClone(built.get(name));
}

export const folderOf = (name) => (name === 'alarms' ? withAlarms() : join(root, 'k8s/overlays', name));

/** @param folder  one with a kustomization.yaml. @throws what kustomize says when it cannot build that */
export function build(folder, kubectl = kubectls.current) {
    const text = execFileSync(kubectl, ['kustomize', folder], { encoding: 'utf8', timeout: 60_000, stdio: 'pipe' });
    return parseAllDocuments(text).map((document) => {
        if (document.errors.length > 0) throw document.errors[0];
        return document.toJS();
    });
}

// The line that a person takes the comment sign from.
function withAlarms() {
    const folder = join(process.cwd(), 'overlays/alarms');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const from = (path) => relative(folder, join(root, 'k8s', path));
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify({
        apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization',
        resources: [from('overlays/production')], components: [from('components/alarms')],
    }));
    return folder;
}

export const idOf = (object) => `${object.kind}/${object.metadata?.name}`;

export const ofKind = (objects, kind) => objects.filter((object) => object.kind === kind);

/** @throws when there is none: a check that finds nothing to look at has proven nothing */
export function find(objects, kind, name) {
    const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
    if (!found) throw new Error(`there is no ${kind}/${name}`);
    return found;
}

/** Every pod template: who makes it, and what it is. */
export function podsOf(objects) {
    const templates = {
        Pod: (object) => object,
        Deployment: (object) => object.spec.template,
        StatefulSet: (object) => object.spec.template,
        DaemonSet: (object) => object.spec.template,
        ReplicaSet: (object) => object.spec.template,
        Job: (object) => object.spec.template,
        CronJob: (object) => object.spec.jobTemplate.spec.template,
    };
    return objects.filter((object) => templates[object.kind]).map((owner) => {
        const template = templates[owner.kind](owner);
        return { id: idOf(owner), owner, labels: template.metadata?.labels ?? {}, spec: template.spec };
    });
}

export const containersOf = (spec) =>
    [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];

/** The job file of an overlay, read. */
export function jobFileOf(objects) {
    const map = ofKind(objects, 'ConfigMap').find((object) => object.data?.['tidesync.yaml']);
    if (!map) throw new Error('no ConfigMap has a tidesync.yaml');
    return parse(map.data['tidesync.yaml']);
}

/** The jobs of a job file: the main one, and one for each group. @returns [{name, slot_every_s}] */
export function jobsOf(file) {
    const main = file?.jobs?.['slave-to-prod'] ?? {};
    const slot = (of) => of?.slot_every_s ?? main.slot_every_s ?? 21600;
    const groups = Object.entries(main.groups ?? {});
    return [
        { name: 'slave-to-prod', slot_every_s: slot(main) },
        ...groups.map(([name, group]) => ({ name: `slave-to-prod-${name}`, slot_every_s: slot(group) })),
    ];
}

// -- environment ------------------------------------------------------------------------------------------------------

/** What Kubernetes would set, before any path is changed. @returns [{name, value, valueFrom}] */
export function environmentOf(objects, container) {
    const variables = [];
    for (const { configMapRef, prefix = '' } of container.envFrom ?? []) {
        if (!configMapRef) continue;
        const { data } = find(objects, 'ConfigMap', configMapRef.name);
        for (const [name, value] of Object.entries(data)) variables.push({ name: prefix + name, value });
    }
    for (const { name, value, valueFrom } of container.env ?? []) variables.push({ name, value, valueFrom });
    return variables;
}

/** The value of a setting of a container, or undefined. */
export const settingOf = (objects, container, name) =>
    environmentOf(objects, container).findLast((variable) => variable.name === name)?.value;

/** @returns [{path, volume}] of the mounts of a container */
export function mountsOf(spec, container) {
    return (container.volumeMounts ?? []).map((mount) => {
        const volume = (spec.volumes ?? []).find((candidate) => candidate.name === mount.name);
        return { path: mount.mountPath, readOnly: mount.readOnly === true, name: mount.name, volume };
    });
}

/** The mount that a path lies in. */
export const mountAt = (spec, container, path) =>
    mountsOf(spec, container).find((mount) => path.startsWith(`${mount.path}/`));

// -- containers as processes ------------------------------------------------------------------------------------------

const entrypoint = '/usr/bin/tidesync';

/**
 * What a container would be started with, here.
 * @param objects            of an overlay
 * @param id                 of its owner, such as `Deployment/tidesync`
 * @param name               of the container
 * @param given.place        a folder that stands for the container's root; its mounts are written there
 * @param given.secrets      {secret: {key: value}}; one that is mounted must be here
 * @param given.environment  what a test has to have differently, such as ports
 * @returns {argv, env, hooks, files}: argv with the binary first, hooks.preStop likewise, files as they lie here
 */
export function invocation(objects, id, name, { place, secrets, environment = {} }) {
    const pod = podsOf(objects).find((candidate) => candidate.id === id);
    const container = pod && containersOf(pod.spec).find((candidate) => candidate.name === name);
    if (!container) throw new Error(`${id} has no container ${name}`);
    const mounts = mountsOf(pod.spec, container);
    const files = mounts.flatMap((mount) => writeMount(objects, mount, place, secrets));
    const here = (value) => (mounts.some(({ path }) => value.startsWith(`${path}/`)) ? join(place, value) : value);
    const env = {};
    for (const variable of environmentOf(objects, container)) {
        if (variable.value === undefined) throw new Error(`${id} ${name}: ${variable.name} is not a plain value`);
        env[variable.name] = here(variable.value);
    }
    const hook = container.lifecycle?.preStop?.exec?.command;
    return {
        argv: started([...(container.command ?? [entrypoint]), ...(container.args ?? [])]),
        hooks: { preStop: hook && started(hook) },
        env: { ...env, ...environment },
        files,
    };
}

function started([program, ...words]) {
    if (program !== entrypoint) throw new Error(`${program} is not in the image: only ${entrypoint} is`);
    return [required('TIDESYNC_BINARY'), ...words];
}

function writeMount(objects, { path, volume }, place, secrets) {
    const folder = join(place, path);
    let contents = {};
    if (volume?.configMap) contents = find(objects, 'ConfigMap', volume.configMap.name).data;
    else if (volume?.secret) contents = secrets[volume.secret.secretName];
    else if (!volume?.emptyDir) throw new Error(`nobody knows what is mounted at ${path}`);
    if (!contents) throw new Error(`${path} needs Secret ${volume.secret.secretName}`);
    mkdirSync(folder, { recursive: true });
    return Object.entries(contents).map(([key, value]) => {
        const file = join(folder, key);
        mkdirSync(dirname(file), { recursive: true });
        rmSync(file, { force: true });
        writeFileSync(file, value, { mode: 0o440 });
        return file;
    });
}
