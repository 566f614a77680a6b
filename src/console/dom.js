/** The element with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Makes an element. Texts become text nodes, and never HTML. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const SVG = 'http://www.w3.org/2000/svg';

export function svgElement(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** The words of a field that may hold several, with spaces or commas between. */
export function wordsOf(text) {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}
