/** A stream whose text is watched as it comes, for `doctor` and `ping`. It does not come back when it ends. */
export class WatchedStream {
  /** Everything that has come. */
  text = '';
  hasEnded = false;
  readonly #url: string;
  readonly #credential: string | undefined;
  readonly #leaving = new AbortController();
  #look: () => void = () => undefined;

  constructor(url: string, credential: string | undefined) {
    this.#url = url;
    this.#credential = credential;
  }

  /** @returns the head of the answer, whose body is read here; `undefined` if it has not come after `most` (ms) */
  async open(most: number): Promise<Response | undefined> {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (this.#credential !== undefined) headers.Authorization = `Bearer ${this.#credential}`;
    const timer = setTimeout(() => this.#leaving.abort(), most);
    try {
      const response = await fetch(this.#url, { headers, redirect: 'manual', signal: this.#leaving.signal });
      void this.#read(response);
      return response;
    } catch (error) {
      if (!this.#leaving.signal.aborted) throw error;
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits until the text matches. @returns how long that took (ms), or `undefined` if the time is over, or the stream has ended */
  async waitFor(pattern: RegExp, most: number): Promise<number | undefined> {
    const began = performance.now();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, most);
      this.#look = () => {
        if (this.hasEnded || pattern.test(this.text)) resolve();
      };
      this.#look();
    });
    clearTimeout(timer);
    this.#look = () => undefined;
    return pattern.test(this.text) ? Math.round(performance.now() - began) : undefined;
  }

  close(): void {
    this.#leaving.abort();
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        this.text += decoder.decode(chunk, { stream: true });
        this.#look();
      }
    } catch {
      // The connection was cut, or `close` was called: both are an end.
    }
    this.hasEnded = true;
    this.#look();
  }
}
