import { expect } from 'chai';
import { loadAll } from 'js-yaml';
import { loadConfig } from '../../src/config/config.ts';
import { VARIABLES } from '../../src/config/variables.ts';
import { read } from '../support/documents.ts';

interface Container {
  env: { name: string; value: string }[];
  envFrom: { secretRef: { name: string } }[];
  ports: { name: string; containerPort: number }[];
  readinessProbe: { httpGet: { path: string; port: string } };
  livenessProbe: { httpGet: { path: string; port: string } };
}

interface Found {
  kind: string;
  metadata: { name: string };
  stringData: Record<string, string>;
  spec: {
    selector: { matchLabels?: { app: string }; app?: string };
    template: {
      metadata: { labels: { app: string } };
      spec: { terminationGracePeriodSeconds: number; containers: [Container] };
    };
    ports: { name: string; targetPort: string }[];
    rules: { http: { paths: { backend: { service: { name: string; port: { name: string } } } }[] } }[];
  };
}

/** There is no cluster here, so the file is only read. */
describe('deploy/kubernetes.yaml', () => {
  const all = loadAll(read('deploy/kubernetes.yaml')) as Found[];
  const of = (kind: string): Found => all.find((one) => one.kind === kind)!;
  const { template } = of('Deployment').spec;
  const [gateway] = template.spec.containers;
  const env = {
    HOST: '0.0.0.0',
    ...of('Secret').stringData,
    ...Object.fromEntries(gateway.env.map(({ name, value }) => [name, value])),
  };

  it('configures a gateway that starts', () => {
    const known = VARIABLES.map(({ name }) => name);
    for (const name of Object.keys(env)) expect(known).to.include(name);
    const { port, adminPort, auth } = loadConfig({}, env);
    const [streams, operators] = gateway.ports;
    expect([streams!.containerPort, operators!.containerPort]).to.deep.equal([port, adminPort]);
    expect(auth).not.to.equal('open');
  });

  it('gives a stop the time that it takes', () => {
    const { drain, drainDelay } = loadConfig({}, env);
    expect(template.spec.terminationGracePeriodSeconds * 1000).to.be.at.least(drainDelay + drain + 10_000);
    expect(drainDelay, 'longer than two looks at /readyz').to.be.above(4000);
  });

  it('names only what is in it', () => {
    expect(gateway.envFrom[0]!.secretRef.name).to.equal(of('Secret').metadata.name);
    const { app } = template.metadata.labels;
    for (const kind of ['Deployment', 'PodDisruptionBudget'])
      expect(of(kind).spec.selector.matchLabels).to.deep.equal({ app });
    expect(of('Service').spec.selector).to.deep.equal({ app });
    const names = gateway.ports.map(({ name }) => name);
    expect(of('Service').spec.ports.map(({ targetPort }) => targetPort)).to.deep.equal(names);
    for (const probe of [gateway.readinessProbe, gateway.livenessProbe]) expect(names).to.include(probe.httpGet.port);
    const { service } = of('Ingress').spec.rules[0]!.http.paths[0]!.backend;
    expect(service).to.deep.equal({ name: of('Service').metadata.name, port: { name: 'streams' } });
  });
});
