import { Readable } from 'node:stream';
import { run } from './cli/run.ts';
import { Output, writeAtExit } from './output.ts';

const args = process.argv.slice(2);

process.exit(args[0] === 'serve' ? await runServer() : await runCommand());

/** Runs `serve` with outputs that never block or fail: a full disk, or a reader that is slow or gone, must not stop a server. */
async function runServer(): Promise<number> {
  const outputs = { stdout: new Output(1), stderr: new Output(2) };
  writeAtExit([outputs.stdout, outputs.stderr]);
  const code = await run(args, { env: process.env, stdin: Readable.from([]), ...outputs });
  await Promise.all([outputs.stdout.end(), outputs.stderr.end()]);
  return code;
}

async function runCommand(): Promise<number> {
  const { env, stdin, stdout, stderr } = process;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    // `bin/sisyphus tail 7 | head` must end quietly.
    if (error.code === 'EPIPE') process.exit(0);
    stderr.write(`sisyphus: cannot write to standard output (${error.message})\n`);
    process.exit(1);
  });
  stderr.on('error', () => {
    // There is no other output that could report the error.
  });
  const code = await run(args, { env, stdin, stdout, stderr });
  // Output may still be queued, and `process.exit` would discard it.
  await new Promise<void>((resolve) => stdout.write('', () => resolve()));
  return code;
}
