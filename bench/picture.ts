import type { PeerName } from './peers/peer.ts';
import { type CaseResult, figuresOf, type Results, unitOf } from './results.ts';
import { spreadOf } from './statistics.ts';
import { verdictLine } from './table.ts';

const COLOURS: Record<PeerName, string> = {
  sisyphus: '#2f6fde',
  nchan: '#e08a1e',
  'nchan-redis': '#b3541e',
  loop: '#8a8f98',
  pushpin: '#5b9a68',
  mercure: '#7a5ba8',
  centrifugo: '#b8507a',
};

const WIDTH = 860;
const LEFT = 130;
const RIGHT = 120;
const BAR = 16;

const escapeText = (text: string): string =>
  text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]!);

const text = (x: number, y: number, content: string, more = ''): string =>
  `<text x="${x}" y="${y}" ${more}>${escapeText(content)}</text>`;

interface Bar {
  peer: PeerName;
  label: string;
  values: number[];
}

/** One bar a peer; where only the gateway runs, one bar a figure (its sizes). */
function barsOf(result: CaseResult): { metric: string; bars: Bar[] } {
  const metric = result.show[0]!;
  const peers = Object.keys(result.turns) as PeerName[];
  if (peers.length > 1) {
    return {
      metric,
      bars: peers.map((peer) => ({ peer, label: peer, values: figuresOf(result.turns[peer], metric) })),
    };
  }
  const peer = peers[0]!;
  const { unit } = unitOf(metric);
  const alike = result.show.filter((other) => unitOf(other).unit === unit);
  const label = (other: string) => (alike.length > 1 ? unitOf(other).title.replace('cpu at ', '') : peer);
  return {
    metric,
    bars: alike.map((other) => ({ peer, label: label(other), values: figuresOf(result.turns[peer], other) })),
  };
}

function drawBar({ peer, label, values }: Bar, y: number, scale: number, metric: string): string {
  const { digits, unit } = unitOf(metric);
  const name = text(LEFT - 8, y + 12, label, 'text-anchor="end"');
  if (values.length === 0) return `${name}${text(LEFT, y + 12, 'not valid, or refused', 'fill="#b00"')}`;
  const { median, least, most } = spreadOf(values);
  const middle = y + BAR / 2;
  return [
    name,
    `<rect x="${LEFT}" y="${y}" width="${(median * scale).toFixed(1)}" height="${BAR}" fill="${COLOURS[peer]}"/>`,
    `<path d="M${(LEFT + least * scale).toFixed(1)} ${middle}H${(LEFT + most * scale).toFixed(1)}" stroke="#222" stroke-width="1.5"/>`,
    text(LEFT + most * scale + 6, y + 12, `${median.toFixed(digits)} ${unit}`),
  ].join('\n');
}

function drawCase(result: CaseResult, top: number): { svg: string; bottom: number } {
  const { metric, bars } = barsOf(result);
  const highest = Math.max(...bars.flatMap((bar) => bar.values), Number.MIN_VALUE);
  const scale = (WIDTH - LEFT - RIGHT) / highest;
  let y = top;
  const parts = [
    text(16, y, result.title, 'font-weight="bold"'),
    text(16, y + 16, unitOf(metric).title, 'fill="#555"'),
  ];
  y += 24;
  for (const bar of bars) {
    parts.push(drawBar(bar, y, scale, metric));
    y += BAR + 5;
  }
  for (const verdict of result.verdicts) {
    parts.push(text(LEFT, y + 12, verdictLine(verdict), `fill="${verdict.met ? '#27632a' : '#b00'}"`));
    y += 16;
  }
  return { svg: parts.join('\n'), bottom: y + 30 };
}

/** The picture of one scenario, from nothing but what the JSON holds. */
export function picture(title: string, results: Results): string {
  const { machine, peers, at } = results;
  const parts: string[] = [];
  let y = 62;
  for (const result of results.cases) {
    const drawn = drawCase(result, y);
    parts.push(drawn.svg);
    y = drawn.bottom;
  }
  const shown = new Set(results.cases.flatMap((result) => Object.keys(result.turns)));
  for (const [peer, version] of Object.entries(peers)) {
    if (!shown.has(peer)) continue;
    parts.push(text(16, y, `${peer}: ${version}`, 'fill="#555" font-size="10"'));
    y += 13;
  }
  const where = `${at.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}, Redis ${machine.redis}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 8}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${text(16, 24, title, 'font-size="16" font-weight="bold"')}
${text(16, 40, `${where}; less is better unless it says a second, bars are medians, lines the whole spread`, 'fill="#555" font-size="10"')}
${parts.join('\n')}
</svg>
`;
}
