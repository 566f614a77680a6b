/** The option that most commands have which print something. */
export const JSON_OPTION = { json: { type: 'boolean', meaning: 'the answer as JSON' } } as const;

/** The option of the commands that ask gateways. */
export const GATEWAYS_OPTION = {
  gateways: { type: 'string', meaning: 'the addresses of all gateways, with commas between (SISYPHUS_URL)' },
} as const;
