import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort } from './child.ts';
import { eventually } from './wait.ts';

export interface Prometheus {
  /** The values that an expression has now; empty if it finds nothing. @throws Error if Prometheus does not take it */
  query(expression: string): Promise<{ labels: Record<string, string>; value: number }[]>;
  /** The states of the alerts that are pending or fire, by name. */
  alerts(): Promise<Map<string, string>>;
  stop(): Promise<void>;
}

interface Found {
  result: { metric: Record<string, string>; value: [at: number, value: string] }[];
}

interface Alerts {
  alerts: { labels: Record<string, string>; state: string }[];
}

/** A Prometheus that asks this gateway every second, and evaluates these rules as often. */
export async function startPrometheus(gatewayPort: number, rules: string): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'prometheus-'));
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [rules],
    scrape_configs: [{ job_name: 'sisyphus', static_configs: [{ targets: [`127.0.0.1:${gatewayPort}`] }] }],
  };
  // JSON is YAML.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const port = await freePort();
  const child = new Child('prometheus', [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  const get = async <Data>(path: string): Promise<Data> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`, { signal: AbortSignal.timeout(10_000) });
    const body = (await response.json()) as { status: string; error?: string; data: Data };
    if (body.status !== 'success') throw new Error(`${path}: ${body.error}`);
    return body.data;
  };
  const stop = async (): Promise<void> => {
    await child.end('SIGTERM', 20_000).catch(() => child.kill('SIGKILL'));
    await child.exited;
    await rm(folder, { recursive: true, force: true });
  };
  await eventually(async () => (await get<unknown>('query?query=1')) !== undefined, 30_000).catch(
    async (error: unknown) => {
      await stop();
      throw error;
    },
  );
  return {
    query: async (expression) => {
      const { result } = await get<Found>(`query?query=${encodeURIComponent(expression)}`);
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    alerts: async () => {
      const { alerts } = await get<Alerts>('alerts');
      return new Map(alerts.map(({ labels, state }) => [labels.alertname!, state]));
    },
    stop,
  };
}
