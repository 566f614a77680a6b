// The health check of the image: ends with 0 if the gateway of this container answers /healthz.
const { HOST = '127.0.0.1', PORT = '3001' } = process.env;
// A gateway that listens on all addresses answers on the loopback address, too.
const host = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[HOST] ?? (HOST.includes(':') ? `[${HOST}]` : HOST);

const isWell = await fetch(`http://${host}:${PORT}/healthz`, { signal: AbortSignal.timeout(2500) }).then(
  ({ ok }) => ok,
  () => false,
);
process.exit(isWell ? 0 : 1);
