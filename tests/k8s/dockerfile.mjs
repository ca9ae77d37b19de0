// What is asked of k8s/Dockerfile. Nothing here builds an image: what goes into it is collected by k8s/image_root,
// which is run for real.

/** @returns [{word, rest}] of a Dockerfile, continued lines joined, comments gone */
export function instructionsOf(text) {
    return text.replace(/^\s*#.*\n/gm, '').replace(/\\\n\s*/g, ' ').split('\n').filter((line) => line.trim())
        .map((line) => /^(\w+)\s+(.*)$/.exec(line.trim())).map(([, word, rest]) => ({ word, rest }));
}

/** The words of the last instruction of a kind, which is in JSON: no shell takes them apart. */
export function wordsOf(text, word) {
    const found = instructionsOf(text).findLast((instruction) => instruction.word === word);
    const list = found && /\[.*\]$/.exec(found.rest);
    return list ? JSON.parse(list[0]) : undefined;
}

const pinned = /^[a-z0-9./-]+:[a-z]+-\d{8}(-slim)?( AS \w+)?$/;

/** @returns [what is wrong] */
export function dockerfileProblems(text, { user, ports }) {
    const all = instructionsOf(text);
    const bases = all.filter(({ word }) => word === 'FROM').map(({ rest }) => rest);
    const final = all.slice(all.findLastIndex(({ word }) => word === 'FROM'));
    const last = (word) => final.findLast((instruction) => instruction.word === word)?.rest;
    const problems = [];
    const want = (is_so, what) => is_so || problems.push(what);
    want(bases.at(-1) === 'scratch', `the image is made from ${bases.at(-1)}`);
    for (const base of bases.slice(0, -1)) want(pinned.test(base), `${base} is no tag with a date`);
    const updates = all.findIndex(({ rest }) => rest === 'apt-get update && apt-get -y upgrade');
    want(updates >= 0 && updates < all.findIndex(({ rest }) => /dev setup/.test(rest)),
        'libraries of the base have no security updates');
    want(last('USER') === user, `it runs as ${last('USER')}, the pods as ${user}`);
    want(String(wordsOf(text, 'ENTRYPOINT')) === '/usr/bin/tidesync', `its entrypoint is ${last('ENTRYPOINT')}`);
    want(String(wordsOf(text, 'CMD')) === 'serve', `its command is ${last('CMD')}`);
    const health = last('HEALTHCHECK') ?? 'missing';
    want(/CMD \["\/usr\/bin\/tidesync", "health"\]$/.test(health), `its health check is ${health}`);
    want(/--interval=\d+s .*--timeout=\d+s/.test(health), `its health check has no interval or limit: ${health}`);
    want(last('EXPOSE') === ports.join(' '), `it exposes ${last('EXPOSE')}, pods listen on ${ports.join(' ')}`);
    want(!all.some(({ word }) => word === 'ADD'), 'ADD may fetch something');
    want(!final.some(({ word }) => word === 'RUN'), 'nothing can RUN in an image without a shell');
    want(!/(PASSWORD|TOKEN|SIGNING_KEY|DATABASE_URL)=/.test(text), 'a secret would stay in the image');
    return problems;
}
