const dated = { second: 0, text: '' };

/** The date of now in the form of HTTP (RFC 9110, 5.6.7). It is made once a second, for all answers of that second. */
export function utcDate(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dated.second) Object.assign(dated, { second, text: new Date().toUTCString() });
  return dated.text;
}
