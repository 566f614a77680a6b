import { expect } from 'chai';
import { demoConfig } from '../../src/cli/demo.ts';
import { loadConfig } from '../../src/config/config.ts';
import { Origins, THIS_MACHINE } from '../../src/http/origins.ts';

describe('the origins that may read', () => {
  it('are those on the list, exactly', () => {
    const origins = new Origins(['https://app.example.com']);
    expect(origins.has('https://app.example.com')).to.equal(true);
    for (const other of [
      'http://app.example.com',
      'https://app.example.com:8443',
      'http://localhost:3000',
      'localhost',
    ])
      expect(origins.has(other), other).to.equal(false);
    expect(origins.size).to.equal(1);
    expect(new Origins([]).size).to.equal(0);
  });

  it('are in the demo pages of this machine, whatever their port', () => {
    const config = demoConfig(loadConfig({}, { SISYPHUS_ORIGINS: 'https://app.example.com' }));
    expect(config.origins).to.deep.equal(['https://app.example.com', THIS_MACHINE]);
    const origins = new Origins(config.origins);
    expect(origins.size).to.equal(2);
    for (const own of ['http://localhost:5173', 'http://localhost', 'https://127.0.0.1:8443', 'http://[::1]:3000'])
      expect(origins.has(own), own).to.equal(true);
    const names = ['null', 'localhost', 'http://localhost.example.com', 'http://127.0.0.1.example.com:80'];
    for (const other of [
      ...names,
      'http://example.com:3000',
      'http://notlocalhost',
      'http://localhost:3000@example.com',
    ])
      expect(origins.has(other), other).to.equal(false);
  });
});
