// An application as people write them: no URL, token or key of its own, QSTASH_DEV=true alone. It publishes to itself,
// checks what comes with the receiver, and prints what it saw.

import { createServer } from 'node:http';
import { Client, Receiver } from '@upstash/qstash';

const arrived = new Promise((resolve) => {
    const server = createServer((request, response) => {
        let body = '';
        request.setEncoding('utf8').on('data', (part) => (body += part)).on('end', () => {
            response.end('ok');
            server.close();
            resolve({ body, signature: request.headers['upstash-signature'] });
        });
    });
    server.listen(0, '127.0.0.1', () => publish(server.address().port).catch((error) => {
        console.log(JSON.stringify({ error: error.message }));
        process.exit(1);
    }));
});

async function publish(port) {
    const client = new Client({ retry: false });
    const url = `http://127.0.0.1:${port}/hook`;
    const { messageId } = await client.publishJSON({ url, body: { from: 'the app' } });
    const { scheduleId } = await client.schedules.create({ destination: url, cron: '0 4 1 1 *' });
    await client.schedules.delete(scheduleId);
    const { body, signature } = await arrived;
    const genuine = await new Receiver().verify({ signature, body, url });
    console.log(JSON.stringify({ messageId, body, genuine }));
    process.exit(0);
}
