/** npm `eventsource` 2, under a second name next to version 4; it has no types of its own. */
declare module 'eventsource2' {
  export default class EventSource {
    readonly readyState: number;
    constructor(url: string);
    addEventListener(type: string, listener: (event: never) => void): void;
    close(): void;
  }
}

declare module 'launchdarkly-eventsource' {
  export class EventSource {
    readonly readyState: number;
    constructor(url: string, options?: { initialRetryDelayMillis?: number; agent?: object });
    addEventListener(type: string, listener: (event: never) => void): void;
    close(): void;
  }
}

declare module 'react-dom' {
  export function flushSync(act: () => void): void;
}

declare module 'react-dom/client' {
  import type { ReactNode } from 'react';

  export interface Root {
    render(children: ReactNode): void;
    unmount(): void;
  }
  export function createRoot(container: Element): Root;
  export function hydrateRoot(
    container: Element,
    children: ReactNode,
    options?: { onRecoverableError?: (error: unknown) => void },
  ): Root;
}

declare module 'react-dom/server' {
  import type { ReactNode } from 'react';

  export function renderToString(children: ReactNode): string;
}
