import type { Mutation } from './mutations.ts';

/** Mistakes in what the guides for who may listen lead to. */
export const GUIDE_MUTATIONS: Mutation[] = [
  {
    name: 'tail: a refusal with a reason is no refusal',
    file: 'src/cli/tail.ts',
    find: `if (!data.startsWith('{"status":"failure"')) return [false];`,
    replace: `if (data !== '{"status":"failure"}') return [false];`,
    caughtBy: 'unit/tail',
    only: 'the reason of a refusal',
  },
  {
    name: 'tail: the credential is not sent',
    file: 'src/cli/tail.ts',
    find: 'headers.Authorization = `Bearer ${this.#credential}`;',
    replace: 'headers.Authorization = `Bearer`;',
    caughtBy: 'unit/tail',
    only: 'sends it in a header',
  },
  {
    name: 'tail: a wrong credential is shown',
    file: 'src/config/variables.ts',
    find: "the credential to read with; `-` reads it from standard input', { secret: true }",
    replace: "the credential to read with; `-` reads it from standard input', {}",
    caughtBy: 'unit/tail',
    only: 'does not show it',
  },
  {
    name: 'the example of one framework has another header',
    file: 'docs/guides/protect/header.md',
    find: "'X-Sisyphus-User' => (string)",
    replace: "'X-User' => (string)",
    caughtBy: 'unit/protect-pages',
  },
  {
    name: 'the page for Express reads its database before the position',
    file: 'docs/guides/page-and-stream.md',
    find:
      "  const { id: position } = await (await fetch('http://127.0.0.1:3001/position')).json();\n" +
      '  const comments = await commentsOf(id);\n',
    replace:
      '  const comments = await commentsOf(id);\n' +
      "  const { id: position } = await (await fetch('http://127.0.0.1:3001/position')).json();\n",
    caughtBy: 'integration/page-and-stream',
  },
  {
    name: 'the page for Django begins its stream without the position',
    file: 'docs/guides/page-and-stream.md',
    find: 'c=room:{id}&since={position}',
    replace: 'c=room:{id}',
    caughtBy: 'integration/page-and-stream',
  },
];
