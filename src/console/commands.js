/** What a person types in a shell to do the same. `base` is the address that the gateway has for this browser. */
const base = String(new URL('.', location.href));

export function listenCommand({ user, channels, format, begin }, { isOnAdminPort, port }) {
  const query = new URLSearchParams();
  if (user !== '') query.set('user', user);
  for (const channel of channels) query.append('c', channel);
  if (format !== 'raw') query.set('format', format);
  for (const [name, value] of Object.entries(begin)) query.set(name, value);
  const address = new URL(isOnAdminPort ? `http://${location.hostname}:${port}/` : base);
  // The signs that a channel may have need no escape in a query.
  return `curl -N ${quote(`${address}?${String(query).replaceAll('%3A', ':').replaceAll('%40', '@')}`)}`;
}

export function publishCommand(way, { channel, data, event }, { redis, keyPrefix, demoSecret }) {
  const words = event ? [event] : [];
  if (way === 'publish') return curl('publish', { channel, data, ...(event && { event }) }, demoSecret);
  if (!redis) return 'There is no Redis: the messages are in the memory of the gateway.';
  if (way === 'plain') return [redis.command, 'PUBLISH', quote(keyPrefix + channel), quote(data)].join(' ');
  return [redis.command, 'FCALL sisyphus_publish 1', ...[redis.key, channel, data, ...words].map(quote)].join(' ');
}

export function rightsCommand(verb, { user, channel }, { redis, demoSecret }) {
  const isCall = redis && verb !== 'disconnect';
  if (isCall) return [redis.command, `FCALL sisyphus_${verb} 1`, ...[redis.key, user, channel].map(quote)].join(' ');
  return curl(verb, verb === 'disconnect' ? { user } : { user, channel }, demoSecret);
}

function curl(path, body, secret = '$SISYPHUS_PUBLISH_SECRET') {
  const words = [
    `curl ${base}${path}`,
    `-H "Authorization: Bearer ${secret}"`,
    "-H 'Content-Type: application/json'",
    `-d ${quote(JSON.stringify(body))}`,
  ];
  return words.join(' ');
}

/** The text as one word of a shell. */
function quote(text) {
  return /^[\w:./@+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Shows the command in its place, with a button that copies it. */
export function showCommand(name, text) {
  document.querySelector(`[data-command="${name}"] code`).textContent = text;
}

export function watchCopyButtons() {
  for (const button of document.querySelectorAll('.command .copy')) {
    button.addEventListener('click', async () => {
      const code = button.parentElement.querySelector('code');
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = 'Copied';
      } catch {
        // Without TLS a browser may refuse: then the text is marked, to be copied by hand.
        getSelection().selectAllChildren(code);
        button.textContent = 'Marked';
      }
      setTimeout(() => {
        button.textContent = 'Copy';
      }, 1500);
    });
  }
}
