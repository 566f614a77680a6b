import { expect } from 'chai';
import { METRICS, OF_WORKERS } from '../../src/metrics/table.ts';
import { TESTED_ALERTS } from '../support/alert-cases.ts';
import { read } from '../support/documents.ts';
import { alertsOf, expressionsOf, panelsOf, RULES, withoutThreshold } from '../support/expressions.ts';

const ALL = [...METRICS, ...Object.values(OF_WORKERS)];
/** What Prometheus itself adds. */
const OWN_LABELS = ['job', 'instance', 'le'];

/** What is wrong with the metrics and labels of an expression. */
function mistakesIn(expression: string): string[] {
  const names = [...expression.matchAll(/\bsisyphus_\w+/g)].map(([name]) => name);
  const metrics = names.map((name) =>
    ALL.find(
      ({ name: own, type }) => own === (type === 'histogram' ? name.replace(/_(?:bucket|sum|count)$/, '') : name),
    ),
  );
  const unknown = names.filter((_, i) => !metrics[i]);
  const labels = metrics.flatMap((metric) => [...(metric?.labels ?? [])]);
  const grouped = [...expression.matchAll(/(?:by|without) \(([\w, ]+)\)/g)].flatMap(([, list]) => list!.split(', '));
  const matched = [...expression.matchAll(/[{,](\w+)=/g)].map(([, label]) => label!);
  const strange = [...grouped, ...matched].filter((label) => ![...labels, ...OWN_LABELS].includes(label));
  const rates = [...expression.matchAll(/(?:rate|increase)\((\w+)/g)].map(([, name]) => name!);
  const gauges = rates.filter((name) => ALL.some((metric) => metric.name === name && metric.type === 'gauge'));
  return [...unknown, ...strange, ...gauges];
}

describe('the alerts for Prometheus', () => {
  const alerts = alertsOf(read(RULES));

  it('are all found, each has a test, a reason and what to do', () => {
    const text = read(RULES);
    expect(alerts.length).to.be.above(12);
    expect(text.match(/- alert:/g)).to.have.length(alerts.length);
    for (const member of ['reason', 'action', 'summary', 'severity']) {
      expect(text.match(new RegExp(`\\b${member}: `, 'g')), member).to.have.length(alerts.length);
    }
    expect(TESTED_ALERTS).to.have.members(alerts.map(({ name }) => name));
  });

  it('use only metrics and labels that there are, and have a threshold', () => {
    for (const { name, expression } of alerts) {
      expect(mistakesIn(expression), name).to.deep.equal([]);
      expect(withoutThreshold(expression), name).not.to.equal(expression);
    }
    expect(mistakesIn('sum by (user) (rate(sisyphus_ready{room="1"}[5m])) + sisyphus_nothing')).to.deep.equal([
      ...['sisyphus_nothing', 'user', 'room', 'sisyphus_ready'],
    ]);
  });

  it('are in the table of the page', () => {
    const shown = [...read('docs/run/metrics.md').matchAll(/^\| `(Sisyphus\w+)` \|/gm)].map(([, name]) => name);
    expect(shown).to.deep.equal(alerts.map(({ name }) => name));
  });
});

describe('the dashboard for Grafana', () => {
  const panels = panelsOf();

  it('has panels with numbers of their own, side by side', () => {
    expect(new Set(panels.map(({ id }) => id)).size).to.equal(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size, 'none lies on another').to.equal(cells.length);
    for (const { gridPos, title } of panels) expect(gridPos.x + gridPos.w, title).to.be.at.most(24);
  });

  it('uses only metrics and labels that there are', () => {
    for (const expression of expressionsOf(panels)) expect(mistakesIn(expression), expression).to.deep.equal([]);
  });

  it('shows every metric', () => {
    const all = expressionsOf(panels).join('\n');
    expect(ALL.map(({ name }) => name).filter((name) => !all.includes(name))).to.deep.equal([]);
  });
});
