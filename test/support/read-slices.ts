import type { BacklogReader, Reading, ReadRequest, Slice } from '../../src/backlog/backlog.ts';

/** All pages at once, a slice for each request; a channel may come more than once here. */
export async function readSlices(backlog: BacklogReader, requests: ReadRequest[]): Promise<Slice[]> {
  const slices: Slice[] = requests.map(({ channel }) => ({ channel, messages: [], gap: undefined }));
  let left = [...requests.keys()];
  while (left.length > 0) {
    const of = new Map<string, Slice>();
    for (const i of left) if (!of.has(requests[i]!.channel)) of.set(requests[i]!.channel, slices[i]!);
    const asked = left.filter((i) => of.get(requests[i]!.channel) === slices[i]);
    left = left.filter((i) => of.get(requests[i]!.channel) !== slices[i]);
    await fill(of, await backlog.open(asked.map((i) => requests[i]!)));
  }
  return slices;
}

async function fill(slices: Map<string, Slice>, reading: Reading): Promise<void> {
  const note = (gaps: Reading['gaps']): void => {
    for (const [channel, reason] of gaps) slices.get(channel)!.gap ??= reason;
  };
  note(reading.gaps);
  for (let page = await reading.next(); page; page = await reading.next()) {
    note(page.gaps);
    for (const message of page.messages) slices.get(message.channel)!.messages.push(message);
  }
}
