// What holds for every pod, and for the overlays as a whole.

import { containersOf, idOf, ofKind, podsOf } from './manifests.mjs';

// -- {name: (objects, overlay) => [what is wrong]} ------------------------------------------------------------------

export const checks = {
    'images: by digest in production, with a tag elsewhere, never latest': (objects, overlay) =>
        podsOf(objects).flatMap((pod) => containersOf(pod.spec).flatMap(({ name, image }) => {
            const fits = overlay === 'dev' ? /^[^@]+:(?!latest$)[\w.-]+$/ : /^[a-z0-9./:_-]+@sha256:[0-9a-f]{64}$/;
            return fits.test(image) && !image.includes(':latest') ? [] : [`${pod.id} ${name}: ${image}`];
        })),

    'pods get no token of the cluster and no variables for Services': (objects) => podsOf(objects).flatMap((pod) => [
        ...(pod.spec.automountServiceAccountToken === false ? [] : [`${pod.id} gets a token`]),
        ...(pod.spec.enableServiceLinks === false ? [] : [`${pod.id} gets variables for Services`]),
        ...(ofKind(objects, 'ServiceAccount').some((account) => account.metadata.name === pod.spec.serviceAccountName)
            ? [] : [`${pod.id} runs as ${pod.spec.serviceAccountName}, which is not there`]),
    ]),

    'nobody writes the root file system, and all run as user 10001': (objects) => podsOf(objects).flatMap((pod) => [
        ...containersOf(pod.spec).filter((container) => container.securityContext?.readOnlyRootFilesystem !== true)
            .map((container) => `${pod.id} ${container.name} may write`),
        ...['runAsUser', 'runAsGroup', 'fsGroup'].filter((name) => pod.spec.securityContext?.[name] !== 10001)
            .map((name) => `${pod.id} has ${name} ${pod.spec.securityContext?.[name]}`),
    ]),

    'containers ask for memory and CPU, and are limited in memory alone': (objects) => podsOf(objects).flatMap((pod) =>
        containersOf(pod.spec).filter(({ resources: { requests, limits } = {} }) =>
            !requests?.cpu || !requests?.memory || !limits?.memory || limits?.cpu)
            .map((container) => `${pod.id} ${container.name}: ${JSON.stringify(container.resources)}`)),

    'workers and fallbacks, which make the same runs, have the same limit of memory': (objects) => {
        const limits = podsOf(objects).filter((pod) => !pod.id.startsWith('Job/'))
            .map(({ id, spec: { containers: [{ resources }] } }) => [id, resources?.limits?.memory]);
        const [[first, wanted], ...others] = limits;
        return others.filter(([, memory]) => memory !== wanted)
            .map(([id, memory]) => `${id} has ${memory}, ${first} ${wanted}`);
    },

    'the namespace is labelled restricted': (objects) => {
        const [{ metadata: { labels = {} } }] = ofKind(objects, 'Namespace');
        return ['enforce', 'audit', 'warn'].map((mode) => `pod-security.kubernetes.io/${mode}`)
            .filter((label) => labels[label] !== 'restricted').map((label) => `${label} is ${labels[label]}`);
    },

    'what Kubernetes may not have is in production alone': (objects, overlay) => {
        const special = objects.filter((object) =>
            object.apiVersion.includes('.coreos.com/') || object.kind === 'Ingress');
        if (overlay !== 'dev') return special.length === 3 ? [] : [`production has ${special.map(idOf)}`];
        return special.map((object) => `dev has ${idOf(object)}`);
    },
};
