import { describeFaults } from './short.ts';

describeFaults(1, 3);
