// From a publish to what arrives: bytes, headers, method, target, time, and how often.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
    assertRefused, call, checkSignature, errorOf, limit, logUntil, rawCall, sleep, startDestination, startScheduler,
} from './support.mjs';

const server = await startScheduler();
const destination = await startDestination();
const { client, keys } = server;
const origin = `http://127.0.0.1:${destination.port}`;

test('publishJSON delivers the body, signed, with the headers of QStash', limit, async () => {
    const { path, url } = destination.fresh();
    const { messageId } = await client.publishJSON({ url, body: { hello: 'world', n: [1, 2.5, null] } });
    assert.match(messageId, /^msg_\w+$/);
    const arrived = await destination.arrival(path);
    assert.equal(arrived.method, 'POST');
    assert.equal(arrived.body.toString(), '{"hello":"world","n":[1,2.5,null]}');
    assert.equal(arrived.headers['content-type'], 'application/json');
    assert.equal(arrived.headers['user-agent'], 'Upstash-QStash');
    assert.equal(arrived.headers['upstash-message-id'], messageId);
    assert.equal(arrived.headers['upstash-retried'], '0');
    assert.equal(arrived.headers['upstash-caller-ip'], '127.0.0.1');
    assert.equal(arrived.headers['upstash-schedule-id'], undefined);
    assert.equal(arrived.headers['content-length'], String(arrived.body.length));
    const claims = await checkSignature(arrived, keys, url);
    assert.equal(claims.sub, url);
    assert.match(claims.body, /=$/, 'real tokens carry the padding');
    await sleep(500);
    assert.equal(destination.at(path).length, 1);
});

for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
    test(`a message is delivered with ${method}`, limit, async () => {
        const { path, url } = destination.fresh();
        await client.publish({ url, method, body: 'as it is' });
        const arrived = await destination.arrival(path);
        assert.equal(arrived.method, method);
        assert.equal(arrived.body.toString(), 'as it is');
        await checkSignature(arrived, keys, url);
    });

test('headers are forwarded, those of the publisher are not', limit, async () => {
    const { path, url } = destination.fresh();
    await client.publish({
        url, body: '<a/>', label: 'quiet', retries: 1,
        headers: { 'Content-Type': 'application/xml; charset=utf-8', 'X-Tenant': 'a b, c', Authorization: 'Basic abc' },
    });
    const { headers } = await destination.arrival(path);
    assert.equal(headers['content-type'], 'application/xml; charset=utf-8');
    assert.equal(headers['x-tenant'], 'a b, c');
    assert.equal(headers.authorization, 'Basic abc');
    for (const name of Object.keys(headers)) {
        assert.doesNotMatch(name, /^upstash-(forward|telemetry|method|label|retries|delay|callback)/);
        assert.ok(!String(headers[name]).includes(server.token), `${name} holds the token`);
    }
});

test('a message without a body and content type has none of its own', limit, async () => {
    const { path, url } = destination.fresh();
    await client.publish({ url });
    const arrived = await destination.arrival(path);
    assert.equal(arrived.body.length, 0);
    assert.equal(arrived.headers['content-type'], undefined);
    assert.equal(arrived.headers.authorization, undefined);
});

test('Upstash-Header-Forward passes all headers on, but for those of the connection and the token', limit, async () => {
    const { path, url } = destination.fresh();
    const answer = await call(server, 'POST', `/v2/publish/${url}`, {
        body: '{}', headers: { 'upstash-header-forward': 'true', 'x-hook-event': 'push', 'content-type': 'text/x-own' },
    });
    assert.equal(answer.status < 300, true, answer.text);
    const { headers } = await destination.arrival(path);
    assert.equal(headers['x-hook-event'], 'push');
    assert.equal(headers['content-type'], 'text/x-own');
    assert.equal(headers.host, `127.0.0.1:${destination.port}`);
    assert.ok(!JSON.stringify(headers).includes(server.token));
});

const bodies = {
    'an empty body': Buffer.alloc(0),
    'a body with NUL and control characters': Buffer.from('\0\x01\r\n\t"\\\x7f\0'),
    'a body beyond ASCII': Buffer.from('naïve ☕ 日本語 🚂\nline 2\t"q"'),
    'a byte order mark': Buffer.from('\ufeffbom'),
    'bytes that are no text': Buffer.from([0xff, 0xfe, 0, 0x80, 0xc3, 0x28, 0xed, 0xa0, 0x80]),
    'random bytes': randomBytes(4096),
    'half a megabyte': randomBytes(512 * 1024),
};
for (const [what, body] of Object.entries(bodies))
    test(`${what} arrives byte for byte, and its signature is accepted`, limit, async () => {
        const { path, url } = destination.fresh('?q=1');
        await client.publish({ url, body, headers: { 'content-type': 'application/octet-stream' } });
        const arrived = await destination.arrival(path);
        assert.ok(arrived.body.equals(body), `${arrived.body.length} bytes arrived of ${body.length}`);
        await checkSignature(arrived, keys, url);
    });

// By hand, because the client tidies its URLs up.
const targets = {
    'two slashes': '/raw-a//b///c',
    'a query': '/raw-b?x=1&y=2&x=3',
    'escapes in the path': '/raw-c/a%20b%2Fc%7Bd%7d%25',
    'escapes in the query': '/raw-d?u=https%3A%2F%2Fe.com%2F%3Fa%3Db&plus=a+b',
    'a query without value': '/raw-e?flag&empty=',
    'a slash at the end': '/raw-f/',
    'dots that are not tidied up': '/raw-g/./a/../b',
    'odd characters': "/raw-h/~!$&'()*+,;=:@-._",
    'escaped UTF-8': '/raw-i/%E2%98%95/%c3%a9',
};
for (const [what, target] of Object.entries(targets))
    test(`a destination is called as it was given: ${what}`, limit, async () => {
        const answer = await rawCall(server, 'POST', `/v2/publish/${origin}${target}`, { body: 'x' });
        assert.equal(answer.status < 300, true, answer.text);
        const arrived = await destination.arrival(target.split('?')[0]);
        assert.equal(arrived.target, target);
        await checkSignature(arrived, keys, origin + target);
    });

test('the client escapes what is not ASCII, and that is what is called and signed', limit, async () => {
    await client.publish({ url: `${origin}/kaffee/☕ é?größe=süß`, body: 'x' });
    const path = '/kaffee/%E2%98%95%20%C3%A9';
    const arrived = await destination.arrival(path);
    assert.equal(arrived.target, `${path}?gr%C3%B6%C3%9Fe=s%C3%BC%C3%9F`);
    await checkSignature(arrived, keys, origin + arrived.target);
});

const spellings = {
    'with one slash of the scheme lost': (url) => url.replace('://', ':/'),
    'wholly escaped': encodeURIComponent,
};
for (const [how, spell] of Object.entries(spellings))
    test(`a destination ${how} is understood`, limit, async () => {
        const { path, url } = destination.fresh('?a=b');
        const answer = await rawCall(server, 'POST', `/v2/publish/${spell(url)}`, { body: 'x' });
        assert.equal(answer.status < 300, true, answer.text);
        await checkSignature(await destination.arrival(path), keys, url);
    });

for (const prefix of ['/V2/publish/', '/v2/Publish/', '/v2/PUBLISH/'])
    test(`the path is read in any case: ${prefix}`, limit, async () => {
        const { path, url } = destination.fresh('/CaseKept');
        const answer = await rawCall(server, 'POST', prefix + url, { body: 'x' });
        assert.equal(answer.status < 300, true, answer.text);
        assert.ok(await destination.arrival(`${path}/CaseKept`));
    });

test('settings and the token may stand in the query, and are taken out of it', limit, async () => {
    const { path, url } = destination.fresh();
    const settings = 'upstash-method=PUT&upstash-forward-x-tenant=a%20b&upstash-label=from-query&upstash-retries=1';
    const target = `/v2/publish/${url}?x=1&${settings}&y=%2F&qstash_token=${encodeURIComponent(server.token)}&z`;
    const headers = { 'content-type': 'text/plain' };
    const answer = await rawCall(server, 'POST', target, { body: 'hook', token: '', headers });
    assert.equal(answer.status < 300, true, answer.text);
    const arrived = await destination.arrival(path);
    assert.equal(arrived.target, `${path}?x=1&y=%2F&z`);
    assert.equal(arrived.method, 'PUT');
    assert.equal(arrived.headers['x-tenant'], 'a b');
    assert.equal(arrived.headers['content-type'], 'text/plain');
    await checkSignature(arrived, keys, `${url}?x=1&y=%2F&z`);
    const [created] = await logUntil(server, answer.json.messageId, 'DELIVERED');
    assert.equal(created.label, 'from-query');
    assert.equal(created.maxRetries, 1);
});

test('a delayed message comes not before its delay', limit, async () => {
    const { path, url } = destination.fresh();
    const began = Date.now();
    const { messageId } = await client.publish({ url, body: 'later', delay: 2 });
    const message = await client.messages.get(messageId);
    assert.ok(message.notBefore >= began + 1900 && message.notBefore <= Date.now() + 2100, `${message.notBefore}`);
    const arrived = await destination.arrival(path);
    assert.ok(arrived.at - began >= 1900, `after ${arrived.at - began} ms`);
});

test('notBefore is a time in seconds, and goes before the delay', limit, async () => {
    const { path, url } = destination.fresh();
    const notBefore = Math.floor(Date.now() / 1000) + 3;
    await client.publish({ url, body: 'then', notBefore, delay: '1h' });
    const arrived = await destination.arrival(path);
    assert.ok(arrived.at >= notBefore * 1000 - 50, `${notBefore * 1000 - arrived.at} ms early`);
    assert.ok(arrived.at < notBefore * 1000 + 5000);
});

test('a time that has passed means at once', limit, async () => {
    const { path, url } = destination.fresh();
    await client.publish({ url, body: 'now', notBefore: Math.floor(Date.now() / 1000) - 100 });
    assert.ok(await destination.arrival(path, 10_000));
});

test('a message with a deduplication id is taken once', limit, async () => {
    const { path, url } = destination.fresh();
    const first = await client.publish({ url, body: '1', deduplicationId: `once-${path}` });
    const second = await client.publish({ url, body: '2', deduplicationId: `once-${path}` });
    assert.equal(second.messageId, first.messageId);
    assert.equal(second.deduplicated, true);
    assert.ok(!first.deduplicated);
    await destination.arrival(path);
    const third = await call(server, 'POST', `/v2/publish/${url}`, {
        body: '3', headers: { 'upstash-deduplication-id': `once-${path}` },
    });
    assert.equal(third.status, 202);
    await sleep(700);
    assert.deepEqual(destination.at(path).map(({ body }) => body.toString()), ['1']);
});

test('content-based deduplication looks at destination, body and forwarded headers', limit, async () => {
    const { path, url } = destination.fresh();
    const message = { url, body: 'same', contentBasedDeduplication: true, headers: { 'x-a': '1' } };
    const first = await client.publish(message);
    assert.equal((await client.publish(message)).deduplicated, true);
    for (const change of [{ body: 'other' }, { headers: { 'x-a': '2' } }, { url: `${url}?other` }]) {
        const other = await client.publish({ ...message, ...change });
        assert.ok(!other.deduplicated, JSON.stringify(change));
        assert.notEqual(other.messageId, first.messageId);
    }
    await destination.arrivals(path, 4);
    await sleep(500);
    assert.equal(destination.at(path).length, 4);
});

test('labels are kept, the first of them also under the old name', limit, async () => {
    const { url } = destination.fresh();
    const { messageId } = await client.publish({ url, body: 'x', label: ['nightly', 'eu'], delay: '1h' });
    const message = await client.messages.get(messageId);
    assert.deepEqual(message.labels, ['nightly', 'eu']);
    assert.equal(message.label, 'nightly');
    await client.messages.cancel(messageId);
});

const refused = {
    'a destination without scheme': ['example.com/x', {}, /invalid destination url/],
    'another scheme': ['ftp://example.com/x', {}, /invalid scheme/],
    'a delay without unit': [`${origin}/no`, { 'upstash-delay': '10' }, /missing unit in duration/],
    'a delay that is none': [`${origin}/no`, { 'upstash-delay': 'soon' }, /duration/],
    'a timeout without unit': [`${origin}/no`, { 'upstash-timeout': '10' }, /missing unit in duration/],
    'a not-before that is no number': [`${origin}/no`, { 'upstash-not-before': 'tomorrow' }, /./],
    'retries that are no number': [`${origin}/no`, { 'upstash-retries': 'many' }, /./],
    'a negative number of retries': [`${origin}/no`, { 'upstash-retries': '-1' }, /./],
    'a method that is none': [`${origin}/no`, { 'upstash-method': 'JUMP' }, /./],
    'a retry delay that cannot be read': [`${origin}/no`, { 'upstash-retry-delay': '1000 *' }, /./],
    'a colon in the deduplication id': [
        `${origin}/no`, { 'upstash-deduplication-id': 'a:b' }, /DeduplicationId cannot contain ':'/],
    'a callback that is no URL': [`${origin}/no`, { 'upstash-callback': 'nowhere' }, /./],
};
for (const [what, [to, headers, text]] of Object.entries(refused))
    test(`refused with 400: ${what}`, limit, async () => {
        assertRefused(await call(server, 'POST', `/v2/publish/${to}`, { headers, body: 'x' }), 400, text);
        assert.equal(destination.at('/no').length, 0);
    });

test('without the right token nothing is done', limit, async () => {
    const { path, url } = destination.fresh();
    for (const token of ['', 'wrong', `${server.token}x`, server.token.slice(0, -1)])
        assertRefused(await call(server, 'POST', `/v2/publish/${url}`, { token, body: 'x' }), 401, /authenticate/);
    assertRefused(await call(server, 'POST', `/v2/publish/${url}?qstash_token=wrong`, { token: '', body: 'x' }), 401);
    await sleep(500);
    assert.equal(destination.at(path).length, 0);
    assert.ok(!server.log().includes(server.token), 'the log holds the token');
});

test('the client sees a refusal as an error with status and text', limit, async () => {
    const error = await errorOf(client.publish({ url: `${origin}/no`, body: 'x', deduplicationId: 'a:b' }));
    assertRefused(error, 400, /DeduplicationId/);
});
