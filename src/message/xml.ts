import { XMLParser } from 'fast-xml-parser';
import { SisyphusError } from '../errors.ts';
import { decodeReferences } from './xml-references.ts';
import { scanXml, type XmlElement, type XmlVisitor } from './xml-scanner.ts';

export interface XmlMessage {
  channel: string;
  event?: string;
  /** The content between the tags, byte for byte. */
  data: Buffer;
}

/**
 * An XML payload with more UTF-16 units, or more elements and attributes, stays text for `format=json`. Measured at the bounds:
 * 30 ms, once a message.
 */
const MAX_CONVERTED = 262_144;
const MAX_PARTS = 5_000;

/**
 * Parses `<messages><message channel="room:918" event="x">…</message>…</messages>`. The caller has to check the names.
 *
 * @throws SisyphusError `bad_xml`, within milliseconds for any body; `bad_request` if there are more than `most` messages
 */
export function parseXmlBatch(body: Buffer, most = Number.POSITIVE_INFINITY): XmlMessage[] {
  const text = decodeUtf8(body);
  const messages: XmlMessage[] = [];
  scanXml(text, {
    element: (element) => {
      if (element.depth === 0) requireRoot(element);
      else if (element.depth === 1) messages.push(toMessage(element, text, messages.length));
      if (messages.length > most)
        throw new SisyphusError('bad_request', `more than ${most} messages: expected several batches`);
    },
    text: (depth, found) => {
      if (depth > 0 || found.trim() === '') return;
      throw wrong(`text after ${messages.length} messages, outside of any: expected ${RIGHT}`);
    },
  });
  return messages;
}

const RIGHT = '<messages><message channel="room:918">…</message></messages>';

const PARSER = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  textNodeName: '#text',
  ignoreDeclaration: true,
  ignorePiTags: true,
  // 007 stays "007".
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  // White space alone is indentation, not content.
  tagValueProcessor: (_name, value) => (value.trim() === '' ? '' : value),
  // The parser's own decoding stops at 1,000 references and takes 100 ms for a megabyte of them.
  entityDecoder: {
    decode: decodeReferences,
    reset: () => {},
    setExternalEntities: () => {},
    addInputEntities: () => {},
    setXmlVersion: () => {},
  },
  // Names such as `<toString>` are harmless, because the object is only turned into JSON.
  onDangerousProperty: (name) => name,
});

/**
 * An XML text as an object, for `format=json`: `{"message":{"@id":"7","body":"hello"}}`. Attributes are prefixed with
 * `@`, text beside attributes or elements is `#text`, repeated elements are an array, values are always text.
 * `undefined` if the text is no XML, could be a bomb, or is too large; never throws.
 */
export function xmlToObject(text: string): unknown {
  if (text.length > MAX_CONVERTED || !/^\ufeff?[ \t\r\n]{0,100}</.test(text)) return undefined;
  try {
    scanXml(text, new PartsLimit());
    return PARSER.parse(text);
  } catch {
    // The caller has the text, and sends it as it is.
    return undefined;
  }
}

class PartsLimit implements XmlVisitor {
  #parts = 0;

  element({ attributes }: XmlElement): void {
    this.#parts += 1 + attributes.size;
    if (this.#parts > MAX_PARTS) throw wrong('too many elements and attributes to convert');
  }

  text(): void {}
}

function requireRoot({ name }: XmlElement): void {
  if (name !== 'messages') throw wrong(`<${name}>: expected ${RIGHT}`);
}

function toMessage(element: XmlElement, text: string, index: number): XmlMessage {
  const { name, attributes, contentStart, contentEnd } = element;
  if (name !== 'message') throw wrong(`message [${index}]: <${name}>: expected <message channel="…">`);
  for (const attribute of attributes.keys()) {
    if (attribute === 'channel' || attribute === 'event' || attribute.startsWith('xml')) continue;
    throw wrong(`message [${index}]: attribute ${attribute} is unknown: expected channel and event`);
  }
  const channel = attributes.get('channel');
  if (channel === undefined)
    throw wrong(`message [${index}]: channel is missing: expected <message channel="room:918">`);
  const event = attributes.get('event');
  const data = Buffer.from(text.slice(contentStart, contentEnd));
  return event === undefined ? { channel, data } : { channel, event, data };
}

function decodeUtf8(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch (error) {
    throw new SisyphusError('bad_xml', 'XML: the body has bytes that are no UTF-8: expected UTF-8', { cause: error });
  }
}

function wrong(what: string): SisyphusError {
  return new SisyphusError('bad_xml', `XML: ${what}`);
}
