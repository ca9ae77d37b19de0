// Who reaches whom: network policies as Kubernetes adds them up, and what the Ingress opens to the world.

import { BlockList, isIPv6 } from 'node:net';
import { find, idOf, jobFileOf, jobsOf, ofKind, podsOf, settingOf, textOf } from './manifests.mjs';
import { selected } from './selectors.mjs';

const policiesOf = (objects, pod, direction) => ofKind(objects, 'NetworkPolicy').filter((policy) =>
    policy.spec.policyTypes.includes(direction) && selected(objects, policy.spec.podSelector).includes(pod.id));

function holds({ cidr, except = [] }, address) {
    const inside = (networks) => {
        const list = new BlockList();
        for (const network of networks) {
            const [first, bits] = network.split('/');
            list.addSubnet(first, Number(bits), isIPv6(first) ? 'ipv6' : 'ipv4');
        }
        return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
    };
    return inside([cidr]) && !inside(except);
}

/** @returns whether a pod may open a TCP connection to an address outside the cluster */
export function reaches(objects, pod, address, port) {
    const rules = policiesOf(objects, pod, 'Egress').flatMap((policy) => policy.spec.egress ?? []);
    const opens = (open) => (open.protocol ?? 'TCP') === 'TCP' && (!open.port || open.port === port);
    return rules.some((rule) => (!rule.ports || rule.ports.some(opens)) &&
        (!rule.to || rule.to.some((peer) => peer.ipBlock && holds(peer.ipBlock, address))));
}

/** @returns [`<namespace> -> <port>`] of all that is let in to a pod */
export function letsIn(objects, pod) {
    const rules = policiesOf(objects, pod, 'Ingress').flatMap((policy) => policy.spec.ingress ?? []);
    const who = (peer) => peer.namespaceSelector?.matchLabels?.['kubernetes.io/metadata.name'] ?? JSON.stringify(peer);
    return rules.flatMap((rule) => (rule.from ?? [{}]).flatMap((peer) =>
        (rule.ports ?? [{}]).map(({ port }) => `${who(peer)} -> ${port ?? 'any'}`)));
}

const databases = [['10.1.2.3', 5432], ['172.20.0.9', 5432], ['192.168.7.7', 6432], ['fd12::1', 5432]];
const web = [['203.0.113.9', 443], ['2606:4700::1', 443]];
const shut = [['169.254.169.254', 80], ['169.254.169.254', 443], ['10.0.0.1', 443], ['172.16.0.1', 443],
    ['192.168.0.1', 443], ['100.100.100.200', 443], ['127.0.0.1', 443], ['fd00:ec2::254', 443], ['fe80::1', 443],
    ['203.0.113.9', 5432], ['203.0.113.9', 80], ['10.1.2.3', 22]];

/** Paths that take a signature, as the worker's own description has them; `{job}` stands for each group. */
function signedPaths(objects) {
    const { paths } = JSON.parse(textOf('worker/openapi.json'));
    const groups = jobsOf(jobFileOf(objects)).map((job) => job.name).filter((name) => name !== 'slave-to-prod');
    const signed = Object.entries(paths).filter(([, methods]) =>
        Object.values(methods).some((operation) => operation.security?.some((scheme) => 'signature' in scheme)));
    if (signed.length < 3) throw new Error(`worker/openapi.json has ${signed.length} paths that take a signature`);
    return signed.flatMap(([path]) =>
        (path.includes('{') ? groups.map((job) => path.replace(/\{\w+\}/, job)) : [path]));
}

export const checks = {
    'a policy governs each pod, in both directions': (objects) => podsOf(objects).flatMap((pod) =>
        ['Ingress', 'Egress'].filter((direction) => policiesOf(objects, pod, direction).length === 0)
            .map((direction) => `${pod.id}: nothing governs ${direction}`)),

    'a worker is reached by the Ingress controller and by Prometheus, others by nobody': (objects) =>
        podsOf(objects).flatMap((pod) => {
            const wanted = pod.id === 'Deployment/tidesync' ? ['ingress-nginx -> http', 'monitoring -> admin'] : [];
            const found = letsIn(objects, pod).sort();
            return found.join() === wanted.join() ? [] : [`${pod.id}: ${found.join(', ') || 'nobody'}`];
        }),

    'pods reach databases, and workers and the fallback the web, and nothing else': (objects) =>
        podsOf(objects).flatMap((pod) => {
            const open = pod.id.startsWith('Job/') ? databases : [...databases, ...web];
            const closed = pod.id.startsWith('Job/') ? [...shut, ...web] : shut;
            const ask = ([address, port]) => reaches(objects, pod, address, port);
            return [
                ...open.filter((target) => !ask(target))
                    .map((target) => `${pod.id} does not reach ${target.join(' ')}`),
                ...closed.filter(ask).map((target) => `${pod.id} reaches ${target.join(' ')}`),
            ];
        }),

    'pods may ask for names': (objects) => podsOf(objects).filter((pod) =>
        !policiesOf(objects, pod, 'Egress').flatMap((policy) => policy.spec.egress).some((rule) =>
            ['UDP', 'TCP'].every((way) => rule.ports?.some(({ port, protocol }) => port === 53 && protocol === way)) &&
            rule.to?.some((peer) => peer.podSelector?.matchLabels?.['k8s-app'] === 'kube-dns')))
        .map((pod) => pod.id),

    'the Ingress has the paths that take a signature, each exactly, and no others': (objects, overlay) => {
        const ingresses = ofKind(objects, 'Ingress');
        if (overlay === 'dev') return ingresses.map(idOf);
        const paths = ingresses.flatMap((ingress) => ingress.spec.rules.flatMap((rule) => rule.http?.paths ?? []));
        const found = paths.map(({ path }) => path);
        const wanted = signedPaths(objects);
        return [
            ...wanted.filter((path) => !found.includes(path)).map((path) => `${path} is missing`),
            ...found.filter((path) => !wanted.includes(path)).map((path) => `${path} takes no signature`),
            ...paths.filter(({ pathType }) => pathType !== 'Exact').map(({ path }) => `${path} is not exact`),
            ...ingresses.filter((ingress) => ingress.spec.defaultBackend)
                .map(() => 'a default backend takes all the rest'),
        ];
    },

    'the Ingress leads to the public port alone': (objects) => ofKind(objects, 'Ingress')
        .flatMap((ingress) => ingress.spec.rules.flatMap((rule) => rule.http.paths))
        .filter(({ backend: { service } }) => service?.name !== 'tidesync' || service.port.name !== 'http')
        .map(({ path, backend }) => `${path} leads to ${JSON.stringify(backend)}`),

    'a Service offers one port, so that no policy or Ingress opens two by mistake': (objects) =>
        ofKind(objects, 'Service').filter((service) => service.spec.ports.length !== 1 ||
            ![undefined, 'ClusterIP'].includes(service.spec.type)).map(idOf),

    'the Ingress answers by TLS for the host of TIDESYNC_PUBLIC_URL': (objects) => {
        const [container] = find(objects, 'Deployment', 'tidesync').spec.template.spec.containers;
        const { protocol, host, pathname } = new URL(settingOf(objects, container, 'TIDESYNC_PUBLIC_URL'));
        const problems = [];
        if (protocol !== 'https:' || pathname !== '/') problems.push('TIDESYNC_PUBLIC_URL is not https:// and a host');
        for (const { spec: { rules, tls } } of ofKind(objects, 'Ingress')) {
            for (const rule of rules) if (rule.host !== host) problems.push(`it answers for ${rule.host}`);
            if (!tls?.some((entry) => entry.hosts.includes(host) && entry.secretName))
                problems.push(`no certificate for ${host}`);
        }
        return problems;
    },
};
