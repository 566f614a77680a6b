import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { retentionOf, storeContract } from './store.ts';

storeContract('the store in memory', async ({ backlog, maxMessage, collections }) => {
  return new MemoryStore({ retention: retentionOf(backlog), maxMessage, collections });
});
