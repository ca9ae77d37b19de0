// Loaded before a program: stops every connection that leaves this machine and every child process, and says at the end
// what was tried. In development mode the client looks for a server, and downloads and starts one when it finds none.

import childProcess from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

const tried = { connections: [], children: [] };
process.on('exit', () => writeFileSync(process.env.GUARD_REPORT, JSON.stringify(tried)));

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...given) {
    const [options] = Array.isArray(given[0]) ? given[0] : given;
    const host = options?.host ?? (typeof given[1] === 'string' ? given[1] : 'localhost');
    tried.connections.push(host);
    if (!['127.0.0.1', 'localhost', '::1'].includes(host)) throw new Error(`the guard lets nobody reach ${host}`);
    return connect.apply(this, given);
};

for (const name of ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork'])
    childProcess[name] = (program) => {
        tried.children.push(String(program));
        throw new Error(`the guard starts no ${program}`);
    };
syncBuiltinESMExports();
