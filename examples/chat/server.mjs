import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const users = new Map(); // whose each session is
const routes = { 'GET /': () => readFile('index.html') };
createServer((request, response) => {
  const { pathname, searchParams } = new URL(`http://localhost${request.url}`);
  const user = users.get(/session=([\w-]+)/.exec(request.headers.cookie)?.[1]);
  response.setHeader('Content-Type', pathname === '/' ? 'text/html' : 'application/json');
  const route = routes[`${request.method} ${pathname}`] ?? routes['GET /'];
  const answer = route(user, Object.fromEntries(searchParams), response);
  answer.then((text) => response.end(text)).catch(({ message }) => response.writeHead(400).end(message));
}).listen(3000, 'localhost');

routes['GET /login'] = async (_user, { name }, response) => {
  const session = crypto.randomUUID();
  users.set(session, name);
  response.writeHead(303, { Location: '/', 'Set-Cookie': `session=${session}; HttpOnly; SameSite=Lax` });
};
routes['GET /whoami'] = async (user) => JSON.stringify({ user });

const members = { lobby: new Set(), office: new Set() };
async function tell(path, body) {
  const headers = { Authorization: 'Bearer change-me', 'Content-Type': 'application/json' };
  const answer = await fetch(`http://localhost:3001${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
}
routes['POST /join'] = async (user, { room }) => {
  if (!user || (room === 'office' && user !== 'ann')) throw new Error('You may not join this room');
  members[room].add(user);
  await tell('/grant', { user, channel: `room:${room}` });
};
routes['POST /leave'] = async (user, { room }) => {
  members[room].delete(user);
  await tell('/revoke', { user, channel: `room:${room}` });
};

const messages = { lobby: [], office: [] };
routes['POST /say'] = async (user, { room, text }) => {
  if (!members[room].has(user)) throw new Error('You are not in this room');
  messages[room].push({ number: messages[room].length, user, text });
  await tell('/publish', { channel: `room:${room}`, data: messages[room].at(-1) });
};
routes['GET /messages'] = async (user, { room }) => JSON.stringify(members[room].has(user) ? messages[room] : []);
