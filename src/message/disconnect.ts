/** The end of the streams of a user, or of those that were opened with one credential. */
export interface Disconnect {
  /** `undefined`: of any user, because the store no longer has all disconnects that this gateway has missed. */
  user: string | undefined;
  /** The hash of the credential; `undefined`: whatever the user's streams were opened with. */
  credential?: string | undefined;
  /** When it was made, or a little later (ms of `performance.now`). A stream whose request began after it stays open. */
  at: number;
}
