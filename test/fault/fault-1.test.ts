import { describeFaults } from './short.ts';

describeFaults(0, 3);
