import type { Mutation } from './mutations.ts';

const COLLECTION = 'src/client/collection.ts';

export const CLIENT_SHAPE_MUTATIONS: Mutation[] = [
  {
    name: 'a live map applies changes that its snapshot has, by their ids',
    file: COLLECTION,
    find: ' || Number(id) <= Number(known.id)',
    replace: '',
    caughtBy: 'unit/client-collection',
  },
  {
    name: 'a live map needs a snapshot even if the stream has stopped',
    file: COLLECTION,
    find: 'if (!known || ',
    replace: 'if (',
    caughtBy: 'unit/client-collection',
  },
  {
    name: 'a live map begins again at each change that it has already',
    file: COLLECTION,
    find: '    if (isSame && data.revision <= known.revision) return;\n',
    replace: '',
    caughtBy: 'unit/client-collection',
  },
  {
    name: 'a live map does not notice that a revision is missing',
    file: COLLECTION,
    find: '    if (!isSame || data.revision !== known.revision + 1) {',
    replace: '    if (!isSame) {',
    caughtBy: 'unit/client-collection',
  },
  {
    name: 'a live map compares revisions of different epochs',
    file: COLLECTION,
    find: 'const isSame = data?.epoch === known.epoch;',
    replace: 'const isSame = data?.epoch !== undefined;',
    caughtBy: 'unit/client-collection',
    only: 'whatever happens',
  },
  {
    name: 'a live map keeps records that a new snapshot does not have',
    file: COLLECTION,
    find: '    this.clear();\n',
    replace: '',
    caughtBy: 'unit/client-collection',
    only: 'whatever happens',
  },
  {
    name: 'a live map trusts a rendered snapshot that the stream is past',
    file: COLLECTION,
    find: 'isLoaded: Number(stream.position) <= Number(initial?.id)',
    replace: 'isLoaded: initial !== undefined',
    caughtBy: 'unit/client-collection',
  },
  {
    name: 'a listener of a live map that throws makes it ask for snapshots for ever',
    file: COLLECTION,
    find: '        queueMicrotask(() => {\n          throw error;\n        });\n',
    replace: '        throw error;\n',
    caughtBy: 'unit/client-collection',
  },
  {
    name: 'a page with its state loads it nevertheless',
    file: 'src/client/loader.ts',
    find: 'options.isLoaded ? [] : options.channels',
    replace: 'options.channels',
    caughtBy: 'unit/client-collection',
  },
];
