// A line for each test, the reason beneath one that failed, and the count. A test that was skipped proved nothing here.

export default async function* report(events) {
    let passed = 0;
    let failed = 0;
    for await (const { type, data } of events) {
        if (type === 'test:pass' && !data.skip && !data.todo) {
            passed += 1;
            const seconds = data.details.duration_ms / 1000;
            yield `ok  ${data.name}${seconds > 2 ? `, in ${seconds.toFixed(1)} s` : ''}\n`;
        } else if (type === 'test:pass' || type === 'test:fail') {
            failed += 1;
            yield `not ok  ${data.name}\n${reasonOf(data)}`;
        }
    }
    if (passed + failed === 0) yield 'No test ran.\n';
    yield `${passed} passed, ${failed + (passed + failed === 0 ? 1 : 0)} failed\n`;
}

function reasonOf({ details, skip, todo }) {
    if (skip || todo) return '    skipped: here that proves nothing\n';
    const cause = details.error?.cause ?? details.error;
    const text = String(cause?.stack ?? cause?.message ?? cause);
    return text.split('\n').slice(0, 40).map((line) => `    ${line.slice(0, 400)}\n`).join('');
}
