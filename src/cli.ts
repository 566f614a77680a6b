import { run } from './cli/run.ts';

const { argv, env, stdin, stdout, stderr } = process;

// `bin/sisyphus tail 7 | head` must end quietly.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exit(await run(argv.slice(2), { env, stdin, stdout, stderr }));
