import { read } from './documents.ts';

export const RULES = 'deploy/prometheus-alerts.yml';
export const DASHBOARD = 'deploy/grafana-dashboard.json';

export interface Alert {
  name: string;
  expression: string;
}

/** The alerts of the file: each has its expression in one line. */
export function alertsOf(text: string): Alert[] {
  return [...text.matchAll(/- alert: (\w+)\n(?: +#.*\n)? +expr: (.+)\n/g)].map(([, name, expression]) => ({
    name: name!,
    expression: expression!,
  }));
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { refId: string; expr: string }[];
}

export const panelsOf = (): Panel[] => (JSON.parse(read(DASHBOARD)) as { panels: Panel[] }).panels;

export const expressionsOf = (panels: Panel[]): string[] =>
  panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

/** As Grafana fills it in, for all gateways. */
export function filledIn(expression: string): string {
  return expression.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*');
}

/** What is compared in an alert, without the comparison: that finds something also if nothing is wrong. */
export function withoutThreshold(expression: string): string {
  return expression.replace(/ (?:[<>]=?|==) [\d.]+$/, '');
}
