// Serves one page on http://localhost:3000/: node examples/page.mjs hello.html
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const [, , file] = process.argv;
const { PORT = 3000 } = process.env;
if (file === undefined) {
  console.error('No page is named: node examples/page.mjs hello.html');
  process.exit(2);
}
const server = createServer((_request, response) => {
  const send = (page) => response.setHeader('Content-Type', 'text/html; charset=utf-8').end(page);
  readFile(file).then(send, ({ message }) => response.writeHead(404).end(message));
});
server.on('error', ({ code, message }) => {
  console.error(
    code === 'EADDRINUSE'
      ? `Port ${PORT} is taken. Another one: PORT=${Number(PORT) + 2} node examples/page.mjs ${file}`
      : message,
  );
  process.exitCode = 1;
});
server.listen(PORT, 'localhost', () => console.log(`${file} is at http://localhost:${PORT}/`));
