// Serves one page on http://localhost:3000/: node examples/page.mjs hello.html
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const [, , file] = process.argv;
const { PORT = 3000 } = process.env;
createServer((_request, response) => {
  const send = (page) => response.setHeader('Content-Type', 'text/html; charset=utf-8').end(page);
  readFile(file).then(send, ({ message }) => response.writeHead(404).end(message));
}).listen(PORT, 'localhost', () => console.log(`${file} is at http://localhost:${PORT}/`));
