// Which calls of the API the tests made and saw answered. The runner adds up what every test file noted.

import { appendFileSync } from 'node:fs';

const notes = new Set();
process.on('exit', () => {
    if (process.env.CONFORMANCE_CALLS && notes.size > 0)
        appendFileSync(process.env.CONFORMANCE_CALLS, [...notes].join('\n') + '\n');
});

/** A call counts when the server did what it asks, or said with 501 that it does not. Other answers prove nothing. */
export function note(name, status) {
    if (status >= 200 && status < 300) notes.add(`served ${name}`);
    if (status === 501) notes.add(`refused ${name}`);
}

const words = new Set(
    ('keys rotate schedules pause resume messages dlq retry events logs topics endpoints queues batch publish ' +
        'enqueue flowcontrol pin unpin resetrate globalparallelism').split(' '));

/** `PATCH /v2/schedules/{id}/pause` for any spelling and any id. */
export function callName(method, target) {
    const [, version, ...rest] = target.split('?')[0].split('/');
    const segments = [];
    for (const segment of rest) {
        if (/^https?:|^https?%3a/i.test(segment)) {
            segments.push('{destination}');
            break;
        }
        segments.push(words.has(segment.toLowerCase()) ? segment.toLowerCase() : '{id}');
    }
    return `${method} /${[version.toLowerCase(), ...segments].join('/')}`;
}

/** The same client; what its methods come to is noted under their names, such as `client.schedules.create`. */
export function noting(object, name) {
    return new Proxy(object, {
        get(target, property) {
            const value = Reflect.get(target, property);
            const path = `${name}.${String(property)}`;
            if (typeof value === 'function') return (...given) => noteResult(value.apply(target, given), path);
            const isApi = value !== null && typeof value === 'object' && property !== 'http';
            return isApi ? noting(value, path) : value;
        },
    });
}

function noteResult(result, path) {
    if (!(result instanceof Promise)) return noting(result, path);
    return result.then(
        (value) => {
            note(path, 200);
            return value;
        },
        (error) => {
            note(path, error.status);
            throw error;
        });
}
