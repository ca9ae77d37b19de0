// Which pods a selector finds, as Kubernetes decides it.

import { podsOf } from './manifests.mjs';

export function matches({ matchLabels = {}, matchExpressions = [] }, labels) {
    const fits = {
        In: ({ key, values }) => values.includes(labels[key]),
        NotIn: ({ key, values }) => !values.includes(labels[key]),
        Exists: ({ key }) => key in labels,
        DoesNotExist: ({ key }) => !(key in labels),
    };
    return Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
        matchExpressions.every((expression) => fits[expression.operator](expression));
}

/** @returns the ids of the pods that a selector finds */
export const selected = (objects, selector) =>
    podsOf(objects).filter((pod) => matches(selector, pod.labels)).map((pod) => pod.id);
