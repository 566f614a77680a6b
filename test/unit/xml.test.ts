import { expect } from 'chai';
import fc from 'fast-check';
import { SisyphusError } from '../../src/errors.ts';
import { parseXmlBatch, xmlToObject } from '../../src/message/xml.ts';

const MILLION = 1_000_000;

function read(text: string): [string, string | undefined, string][] {
  return parseXmlBatch(Buffer.from(text)).map(({ channel, event, data }) => [channel, event, data.toString()]);
}

function refusal(body: string | Buffer): SisyphusError {
  try {
    parseXmlBatch(Buffer.from(body as string));
  } catch (error) {
    if (error instanceof SisyphusError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

function inMessage(inner: string): string {
  return `<messages><message channel="room:1">${inner}</message></messages>`;
}

/** The shortest of five tries (ms): what the machine does besides must not count. */
function fastest(act: () => void): number {
  const times = Array.from({ length: 5 }, () => {
    // The process's own work: what other processes do meanwhile takes no longer here.
    const start = process.cpuUsage();
    act();
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  });
  return Math.min(...times);
}

/** Whether XML can hold it at all. */
function isXml(text: string): boolean {
  return [...text].every((character) => (character >= ' ' && character < '\ufffe') || '\t\r\n'.includes(character));
}

describe('an XML batch', () => {
  it('gives each inner XML byte for byte, line ends, comments, CDATA and nested messages too', () => {
    const inner =
      '\r\n <a b=\'1\' >ü 😀&amp;&#10;</a >\r<message channel="x"><message/></message><!-- </message> --><![CDATA[</message>]]>';
    expect(read(inMessage(inner))).to.deep.equal([['room:1', undefined, inner]]);
  });

  it('takes a byte order mark, a declaration, comments and space around, events, and empty messages', () => {
    const text = `\ufeff<?xml version="1.0" encoding="UTF-8"?>\r\n<!-- a --><?pi x?>
      <messages xmlns="urn:x"> <!-- b -->
        <message channel="room:1" event='opened'>1</message>
        <message event="&#x61;&amp;" channel = "room&#58;2" />
        <message channel="room:3"></message>
      </messages> <!-- c -->\n`;
    expect(read(text)).to.deep.equal([
      ['room:1', 'opened', '1'],
      ['room:2', 'a&', ''],
      ['room:3', undefined, ''],
    ]);
    expect(read('<messages/>')).to.deep.equal([]);
  });

  it('gives any text back that was escaped into it', () => {
    const text = fc.string({ unit: 'grapheme' }).filter(isXml);
    fc.assert(
      fc.property(text, fc.string(), (plain, attribute) => {
        const escaped = plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll(']]>', ']]&gt;');
        const value = [...attribute].map((character) => `&#${character.codePointAt(0)};`).join('');
        const inner = `<a>${escaped}</a>`;
        expect(read(inMessage(inner))[0][2]).to.equal(inner);
        if (isXml(attribute)) {
          expect(xmlToObject(`<a b="${value}">${escaped}</a>`)).to.deep.equal({
            a: plain.trim() === '' ? { '@b': attribute } : { '#text': plain.replace(/\r\n?/g, '\n'), '@b': attribute },
          });
        }
      }),
    );
  });

  const MALFORMED: [string, RegExp][] = [
    ['', /element is missing/],
    ['hello', /text outside/],
    ['<message channel="a">x</message>', /<messages><message channel=/],
    ['<messages><message channel="a">x</messages>', /expected <\/message>/],
    ['<messages><message channel="a">', /<message> is not closed/],
    ['<messages></message>', /expected <\/messages>/],
    ['<messages/></messages>', /without a start tag/],
    ['<messages/><messages/>', /second element/],
    ['<messages/>x', /text outside/],
    ['<messages><msg/></messages>', /message \[0\]: <msg>/],
    ['<messages><message/></messages>', /message \[0\]: channel is missing/],
    ['<messages><message channel="a"/><message chanel="a"/></messages>', /message \[1\]: attribute chanel/],
    ['<messages>x<message channel="a"/></messages>', /outside of any/],
    ['<messages><message channel="a" channel="b"/></messages>', /twice/],
    ['<messages><message channel=a/></messages>', /no quotes/],
    ['<messages><message channel/></messages>', /no value/],
    ['<messages><message channel="a"event="b"/></messages>', /space before/],
    ['<messages><message channel="<"/></messages>', /expected &lt;/],
    [inMessage('<a></b>'), /expected <\/a>/],
    [inMessage('<a></ab>'), /expected <\/a>/],
    [inMessage('a < b'), /&lt;/],
    [inMessage('AT&T'), /expected &amp;/],
    [inMessage('&nbsp;'), /& alone: expected &amp;/],
    [inMessage('&#0;'), /no character/],
    [inMessage('&#xD800;'), /no character/],
    [inMessage('&#x110000;'), /no character/],
    [inMessage('a]]>b'), /expected ]]&gt;/],
    [inMessage('<!-- a -- b -->'), /-- inside/],
    [inMessage('<!-- a'), /comment is not closed/],
    [inMessage('<![CDATA[ a'), /CDATA is not closed/],
    [inMessage('<?xml version="1.0"?>'), /expected it at the start/],
    [inMessage('\0'), /control character/],
    ['<?xml version="1.0" encoding="utf-16"?><messages/>', /expected UTF-8/],
    ['<!DOCTYPE messages><messages/>', /DOCTYPE/],
    ['<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><messages/>', /DOCTYPE/],
    [inMessage('<!ENTITY a "b">'), /DOCTYPE/],
    ['<![CDATA[ ]]><messages/>', /declaration: expected none/],
    ['<messages/><![CDATA[ ]]>', /declaration: expected none/],
  ];

  for (const [text, expected] of MALFORMED) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      const error = refusal(text);
      expect(error.code).to.equal('bad_xml');
      expect(error.message).to.match(expected);
    });
  }

  it('refuses what is no UTF-8', () => {
    expect(refusal(Buffer.from(inMessage('\xff'), 'latin1')).code).to.equal('bad_xml');
  });

  it('refuses more messages than asked for, at once', () => {
    const many = Buffer.from(`<messages>${'<message channel="a"/>'.repeat(1001)}</messages>`);
    expect(() => parseXmlBatch(many, 1000)).to.throw(SisyphusError, 'more than 1000');
    expect(parseXmlBatch(many, 1001)).to.have.length(1001);
  });

  const BOMBS: Record<string, string> = {
    'a million levels': inMessage('<a>'.repeat(MILLION / 3)),
    'closed levels': inMessage('<a>'.repeat(65) + '</a>'.repeat(65)),
    'a hundred thousand attributes': inMessage(
      `<a ${Array.from({ length: 100_000 }, (_, i) => `a${i}="1"`).join(' ')}/>`,
    ),
    'the same attribute again and again': inMessage(`<a ${'b="1" '.repeat(100_000)}/>`),
    'a billion laughs': '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><messages>&b;</messages>',
    'a reference of a million digits': inMessage(`&#${'1'.repeat(MILLION)};`),
    'unclosed comments': `<messages>${'<!-- '.repeat(MILLION / 5)}`,
    'unclosed CDATA': inMessage('<![CDATA['.repeat(MILLION / 9)),
    'unclosed instructions': inMessage('<?a '.repeat(MILLION / 4)),
    'a tag of a million spaces': `<messages${' '.repeat(MILLION)}`,
    'a name of a million letters': inMessage(`<${'a'.repeat(MILLION)}/>`),
    'a value without an end': `<messages a="${'x'.repeat(MILLION)}`,
    'a million <': '<'.repeat(MILLION),
    'a million &': `<messages>${'&'.repeat(MILLION)}`,
    'a million lines': '\n'.repeat(MILLION),
  };

  for (const [name, bomb] of Object.entries(BOMBS)) {
    it(`refuses ${name} within 50 ms`, () => {
      const body = Buffer.from(bomb);
      const error = refusal(body);
      expect(error.code).to.equal('bad_xml');
      expect(fastest(() => refusal(body))).to.be.below(50);
      expect(error.message.length).to.be.below(400);
    });
  }
});

describe('XML as an object', () => {
  const CONVERTED: [string, unknown][] = [
    ['<message><status>ok</status></message>', { message: { status: 'ok' } }],
    ['<a>007</a>', { a: '007' }],
    ['<a>true</a>', { a: 'true' }],
    ['<a id="1" b="">x</a>', { a: { '#text': 'x', '@id': '1', '@b': '' } }],
    ['<a><b>1</b><b>2</b><c/></a>', { a: { b: ['1', '2'], c: '' } }],
    ['<a>\n  <b> x </b>\n</a>', { a: { b: ' x ' } }],
    ['<a>&lt;&amp;&#228;<![CDATA[&lt;]]></a>', { a: '<&ä&lt;' }],
    ['<?xml version="1.0"?><a>ü</a>', { a: 'ü' }],
    ['<a><toString>1</toString><hasOwnProperty/></a>', { a: { toString: '1', hasOwnProperty: '' } }],
  ];

  for (const [text, expected] of CONVERTED) {
    it(`makes ${JSON.stringify(expected)} of ${text}`, () => {
      expect(JSON.parse(JSON.stringify(xmlToObject(text)))).to.deep.equal(expected);
    });
  }

  const LEFT_ALONE: Record<string, string> = {
    'a text': 'hello',
    nothing: '',
    JSON: '{"a":1}',
    'half of it': '<a><b></a>',
    'two elements': '<a/><b/>',
    'a DOCTYPE': '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    'deep nesting': '<a>'.repeat(65) + '</a>'.repeat(65),
    'many elements': `<a>${'<b/>'.repeat(5_000)}</a>`,
    'more than a quarter of a megabyte': `<a>${'x'.repeat(262_144)}</a>`,
  };

  for (const [name, text] of Object.entries(LEFT_ALONE)) {
    it(`leaves ${name} alone`, () => expect(xmlToObject(text)).to.equal(undefined));
  }

  it('pollutes no prototype, and never throws', () => {
    for (const name of ['__proto__', 'constructor', 'prototype']) {
      xmlToObject(`<${name}><polluted>1</polluted></${name}>`);
      xmlToObject(`<a><${name}><polluted>1</polluted></${name}></a>`);
      xmlToObject(`<a ${name}="1"><b ${name}="1"/></a>`);
    }
    expect(({} as Record<string, unknown>).polluted).to.equal(undefined);
    const pieces = fc.constantFrom(
      '<a>',
      '</a>',
      '<a',
      ' b="',
      '"',
      '&#65;',
      '&',
      ']]>',
      '<![CDATA[',
      '<!--',
      '-->',
      '<?',
      '?>',
      'é',
      '\0',
    );
    fc.assert(fc.property(fc.array(pieces), (text) => void xmlToObject(`<a>${text.join('')}</a>`)));
  });

  it('takes no longer than 100 ms for the worst that it takes', () => {
    const worst = [
      `<a>${'&#65;'.repeat(52_000)}</a>`,
      `<a>${Array.from({ length: 4_999 }, (_, i) => `<x${i}/>`).join('')}</a>`,
      `<a>${'<b c="d">x</b>'.repeat(2_499)}</a>`,
    ];
    for (const text of worst) {
      expect(xmlToObject(text)).to.be.an('object');
      expect(fastest(() => xmlToObject(text))).to.be.below(100);
    }
  });
});
