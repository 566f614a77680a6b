import { createHmac } from 'node:crypto';
import express from 'express';
import session from 'express-session';

const app = express();
const cookie = { sameSite: 'lax' };
app.use(session({ secret: 'change-me', resave: false, saveUninitialized: false, cookie }), express.urlencoded());

const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
function sign(claims) {
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', process.env.SISYPHUS_JWT_SECRET).update(text).digest('base64url')}`;
}

app.get('/', (_request, response) => response.sendFile('index.html', { root: '.' }));

app.get('/login', (request, response) => {
  request.session.user = request.query.name;
  response.redirect('/');
});

app.post('/token', (request, response) => {
  const { user } = request.session;
  if (!user) return response.sendStatus(401);
  response.send(sign({ sub: user, channels: ['room:1'], exp: Math.floor(Date.now() / 1000) + 3600 }));
});

app.post('/say', async (request, response) => {
  const { user } = request.session;
  if (!user) return response.sendStatus(401);
  const headers = {
    Authorization: `Bearer ${process.env.SISYPHUS_PUBLISH_SECRET}`,
    'Content-Type': 'application/json',
  };
  const body = JSON.stringify({ channel: 'room:1', data: { user, text: request.body.text } });
  const { ok } = await fetch('http://localhost:3001/publish', { method: 'POST', headers, body });
  response.sendStatus(ok ? 204 : 502);
});

app.listen(3000, 'localhost');
