import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { retentionOf } from '../../src/store/settings.ts';
import { storeContract } from './store.ts';

storeContract('the store in memory', async ({ backlog, maxMessage, collections }) => {
  return new MemoryStore({ retention: retentionOf(backlog), maxMessage, collections });
});
