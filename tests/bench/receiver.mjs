// What people write today: a server of node:http that asks the official Receiver about every request. It answers 401
// when the Receiver refuses, and prints its port.
//
//   node receiver.mjs FOLDER     the packages are in FOLDER/node_modules

import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const { Receiver } = createRequire(`${process.argv[2]}/`)('@upstash/qstash');
const receiver = new Receiver({
    currentSigningKey: process.env.QSTASH_CURRENT_SIGNING_KEY, nextSigningKey: process.env.QSTASH_NEXT_SIGNING_KEY,
});
const publicUrl = process.env.TIDESYNC_PUBLIC_URL;

const server = createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', async () => {
        let status = 200;
        try {
            const body = Buffer.concat(parts).toString('utf8');
            const signature = request.headers['upstash-signature'];
            if (!(await receiver.verify({ signature, body, url: publicUrl + request.url }))) status = 401;
        } catch {
            status = 401;
        }
        const text = status === 200 ? '{"success":true}' : '{"success":false,"error":{"code":"unauthorized"}}';
        response.writeHead(status, { 'content-type': 'application/json', 'content-length': text.length });
        response.end(text);
    });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
