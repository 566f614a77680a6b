import { expect } from 'chai';
import fc from 'fast-check';
import { HttpRequest } from '../../src/auth/http-request.ts';
import { readStreamQuery, type StreamQuery } from '../../src/http/stream-query.ts';

const read = (querystring: string, ...headers: string[]): StreamQuery =>
  readStreamQuery(new HttpRequest('GET', `/?${querystring}`, headers, {}), ['user']);
const notesOn = (querystring: string) => read(querystring).notes;

describe('the address of a stream', () => {
  it('says nothing where all of it is obeyed', () => {
    for (const query of [
      '',
      'user=1',
      'user=1&format=raw',
      'user=1&format=json&since=0',
      'user=1&since=&overlap=&lastEventId=',
      'user=1&overlap=1000',
      'user=1&overlap=0',
      'user=1&lastEventId=5&lastEventId=7',
    ]) {
      expect(notesOn(query), query).to.deep.equal([]);
    }
  });

  it('says what of it is ignored', () => {
    const NOTES: Record<string, RegExp> = {
      'user=1&usr=2': /^unknown parameter usr: expected user, c, poll, format, lastEventId, since, overlap$/,
      'User=1': /^unknown parameter User: /,
      'user[]=1': /^unknown parameter user\[\]: /,
      'last-event-id=5': /^unknown parameter last-event-id: /,
      'format=': /^format=: expected raw, json, frames$/,
      'format=JSON': /^format=JSON: expected raw, json, frames$/,
      'since=-1': /^since=-1: expected the id of a message/,
      'lastEventId=12345678901234567': /^lastEventId=12345678901234567: expected the id/,
      'overlap=-1': /^overlap=-1: expected a number from 1 to 1000$/,
      'overlap=1.5': /^overlap=1\.5: expected/,
      'overlap=1001': /^overlap=1001: 1000 is the most, and counts$/,
      'since=1&since=2': /^since is repeated: the last one counts$/,
      'format=raw&format=json': /^format is repeated: the last one counts$/,
    };
    for (const [query, note] of Object.entries(NOTES)) {
      expect(notesOn(query), query).to.have.length(1);
      expect(notesOn(query)[0]).to.match(note);
    }
  });

  it('never repeats the value of a parameter that it does not know: it may be a secret', () => {
    expect(notesOn('user=1&token=s3cret&ticket=s3cret').join()).not.to.contain('s3cret');
  });

  it('takes the last of what is repeated', () => {
    const { format, start } = read('format=json&format=raw&since=1&since=2');
    expect(format).to.equal('raw');
    expect(start).to.deep.equal({ kind: 'after', position: 2 });
    expect(read('lastEventId=1&lastEventId=2').start).to.deep.include({ position: 2 });
    expect(read('lastEventId=1&lastEventId=').start).to.deep.include({ position: 1 });
    expect(read('lastEventId=1&lastEventId=2', 'Last-Event-ID', '3').start).to.deep.include({ position: 3 });
    expect(read('lastEventId=1', 'Last-Event-ID', '').start).to.deep.include({ position: 1 });
  });

  it('has no position where the header comes twice, because nobody knows which one counts', () => {
    const { start } = read('lastEventId=1', 'Last-Event-ID', '2', 'last-event-id', '3');
    expect(start).to.deep.equal({ kind: 'unreadable' });
  });

  it('knows the parameters that the authenticator reads, and no others', () => {
    const request = new HttpRequest('GET', '/?access_token=a&access_token=b&user=1&format=json', [], {});
    expect(readStreamQuery(request, ['access_token']).notes).to.deep.equal([
      'unknown parameter user: expected access_token, c, poll, format, lastEventId, since, overlap',
    ]);
  });

  it('is never repeated at length, or with anything that could end a comment line', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }))), (pairs) => {
        const notes = notesOn(new URLSearchParams(pairs).toString());
        expect(notes.length).to.be.at.most(8);
        for (const note of notes) expect(note).to.match(/^[ -~]{1,150}$/);
      }),
    );
    const many = Array.from({ length: 20_000 }, (_, i) => `p${i}`).join('&');
    const began = performance.now();
    expect(notesOn(many)).to.have.length(8);
    expect(performance.now() - began).to.be.below(200);
  });
});
