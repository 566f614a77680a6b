import { describeFaults } from './short.ts';

describeFaults(2, 3);
