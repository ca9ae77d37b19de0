// The Pod Security Standard "restricted", control by control, as Kubernetes publishes it ("baseline" is part of it).
// Ours rather than a package's, whose rules have to be switched on by name and may stay silent: here each control is a
// function from a pod to what is wrong, and mutations.mjs breaks every one.
// Source: Kubernetes documentation, "Pod Security Standards".

import { containersOf, podsOf } from './manifests.mjs';

const hooksOf = (container) => [container.lifecycle?.postStart, container.lifecycle?.preStop];
const probesOf = (container) => [container.livenessProbe, container.readinessProbe, container.startupProbe];
const contexts = (spec) => [
    ['the pod', spec.securityContext ?? {}],
    ...containersOf(spec).map((container) => [container.name, container.securityContext ?? {}]),
];

const volumeTypes = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected',
    'secret'];
const safeSysctls = ['kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.ip_unprivileged_port_start',
    'net.ipv4.tcp_syncookies', 'net.ipv4.ping_group_range', 'net.ipv4.ip_local_reserved_ports',
    'net.ipv4.tcp_keepalive_time', 'net.ipv4.tcp_fin_timeout', 'net.ipv4.tcp_keepalive_intvl',
    'net.ipv4.tcp_keepalive_probes', 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'];
const seLinuxTypes = [undefined, '', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'];
const appArmorTypes = ['RuntimeDefault', 'Localhost'];

// -- {control: (spec, pod) => [what is wrong]} ------------------------------------------------------------------------

const controls = {
    'HostProcess': (spec) => contexts(spec)
        .filter(([, context]) => context.windowsOptions?.hostProcess)
        .map(([who]) => `${who} is a host process`),

    'host namespaces': (spec) => ['hostNetwork', 'hostPID', 'hostIPC']
        .filter((name) => spec[name])
        .map((name) => `${name} is on`),

    'privileged containers': (spec) => contexts(spec)
        .filter(([, context]) => context.privileged)
        .map(([who]) => `${who} is privileged`),

    // "baseline" would allow some more; "restricted" allows one.
    'capabilities that may be added': (spec) => contexts(spec).flatMap(([who, context]) =>
        (context.capabilities?.add ?? [])
            .filter((name) => name !== 'NET_BIND_SERVICE')
            .map((name) => `${who} adds capability ${name}`)),

    'hostPath volumes': (spec) => (spec.volumes ?? [])
        .filter((volume) => volume.hostPath)
        .map((volume) => `volume ${volume.name} is a folder of the node`),

    'host ports': (spec) => containersOf(spec).flatMap((container) =>
        (container.ports ?? []).filter((port) => port.hostPort)
            .map((port) => `${container.name} takes port ${port.hostPort} of the node`)),

    'hosts of probes and hooks': (spec) => containersOf(spec).flatMap((container) =>
        [...probesOf(container), ...hooksOf(container)]
            .filter((action) => action?.httpGet?.host || action?.tcpSocket?.host)
            .map(() => `${container.name} has a probe or hook that names a host`)),

    'AppArmor': (spec, pod) => [
        ...contexts(spec)
            .filter(([, { appArmorProfile }]) => appArmorProfile && !appArmorTypes.includes(appArmorProfile.type))
            .map(([who, { appArmorProfile }]) => `${who} has AppArmor ${appArmorProfile.type}`),
        ...Object.entries(annotationsOf(pod))
            .filter(([name, value]) => name.startsWith('container.apparmor.security.beta.kubernetes.io/') &&
                value !== 'runtime/default' && !value.startsWith('localhost/'))
            .map(([name, value]) => `annotation ${name} is ${value}`),
    ],

    'SELinux': (spec) => contexts(spec)
        .filter(([, { seLinuxOptions: options = {} }]) =>
            !seLinuxTypes.includes(options.type) || options.user || options.role)
        .map(([who]) => `${who} has SELinux options of its own`),

    'the mount of /proc': (spec) => contexts(spec)
        .filter(([, { procMount }]) => procMount && procMount !== 'Default')
        .map(([who]) => `${who} has /proc unmasked`),

    'sysctls': (spec) => (spec.securityContext?.sysctls ?? [])
        .filter((sysctl) => !safeSysctls.includes(sysctl.name))
        .map((sysctl) => `sysctl ${sysctl.name} is not a safe one`),

    'types of volumes': (spec) => (spec.volumes ?? []).flatMap((volume) =>
        Object.keys(volume).filter((key) => key !== 'name' && !volumeTypes.includes(key))
            .map((type) => `volume ${volume.name} is a ${type}`)),

    'privilege escalation': (spec) => containersOf(spec)
        .filter((container) => container.securityContext?.allowPrivilegeEscalation !== false)
        .map((container) => `${container.name} may escalate its privileges`),

    // Set by each container, or by the pod for those that say nothing.
    'running as non-root': (spec) => containersOf(spec)
        .filter((container) =>
            (container.securityContext?.runAsNonRoot ?? spec.securityContext?.runAsNonRoot) !== true)
        .map((container) => `${container.name} may run as root`),

    'user 0': (spec) => contexts(spec)
        .filter(([, context]) => context.runAsUser === 0)
        .map(([who]) => `${who} runs as user 0`),

    'seccomp': (spec) => [
        ...contexts(spec)
            .filter(([, { seccompProfile }]) => seccompProfile &&
                !['RuntimeDefault', 'Localhost'].includes(seccompProfile.type))
            .map(([who, { seccompProfile }]) => `${who} has seccomp ${seccompProfile.type}`),
        ...containersOf(spec)
            .filter((container) => !(container.securityContext?.seccompProfile ?? spec.securityContext?.seccompProfile))
            .map((container) => `${container.name} has no seccomp profile`),
    ],

    'capabilities are dropped': (spec) => containersOf(spec)
        .filter((container) => !(container.securityContext?.capabilities?.drop ?? []).includes('ALL'))
        .map((container) => `${container.name} does not drop ALL capabilities`),
};

function annotationsOf({ owner }) {
    const template = owner.spec?.jobTemplate?.spec?.template ?? owner.spec?.template ?? owner;
    return template.metadata?.annotations ?? {};
}

/** {`restricted: <control>`: (objects) => [what is wrong]} */
export const checks = Object.fromEntries(Object.entries(controls).map(([name, control]) => [
    `restricted: ${name}`,
    (objects) => podsOf(objects).flatMap((pod) => control(pod.spec, pod).map((problem) => `${pod.id}: ${problem}`)),
]));
