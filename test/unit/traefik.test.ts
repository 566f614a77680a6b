import { expect } from 'chai';
import { load } from 'js-yaml';
import { read } from '../support/documents.ts';

interface Dynamic {
  http: {
    routers: Record<string, { rule: string; service: string; middlewares?: string[] }>;
    middlewares: Record<string, Record<string, Record<string, unknown>>>;
    services: Record<string, { loadBalancer: { serversTransport?: string; servers: { url: string }[] } }>;
    serversTransports: Record<string, unknown>;
  };
}

/** Debian has no Traefik, so the file is only read here. */
describe('deploy/traefik.yaml', () => {
  const { routers, middlewares, services, serversTransports } = (load(read('deploy/traefik.yaml')) as Dynamic).http;

  it('names only what is in it', () => {
    const named = Object.values(routers);
    expect(Object.keys(services)).to.have.members(named.map(({ service }) => service));
    expect(Object.keys(middlewares)).to.have.members(named.flatMap((router) => router.middlewares ?? []));
    const transports = Object.values(services).flatMap(({ loadBalancer }) => loadBalancer.serversTransport ?? []);
    expect(Object.keys(serversTransports)).to.have.members(transports);
  });

  it('tries another gateway first, and then answers 200 for gateways that are gone', () => {
    // The first of them is the outermost.
    expect(routers.sisyphus!.middlewares).to.deep.equal(['away', 'again']);
    const { status, statusRewrites, service } = middlewares.away!.errors!;
    expect(statusRewrites).to.deep.equal({ '502-504': 200 });
    expect(status).to.deep.equal(['502-504']);
    expect(services).to.have.property(service as string);
    expect(middlewares.again!.retry!.attempts).to.be.above(services.gateways!.loadBalancer.servers.length);
  });

  it('passes on the stream, and nothing else', () => {
    expect(routers.sisyphus!.rule).to.match(/&& Path\(`\/stream`\)$/);
    expect(routers.away!.service).to.equal('away');
  });
});
