/**
 * What src/lib/http uses of undici, which would load its WebSockets, caches and mocks too: a third of the start of every
 * command that goes to the network.
 * @type {import('esbuild').Plugin}
 */
export const undiciParts = {
  name: 'undici-parts',
  setup(build) {
    build.onLoad({ filter: /\/node_modules\/undici\/index\.js$/ }, () => ({ contents: PARTS }));
  },
};

/** As its own index.js has it; `request` is a method that lib/api gives to all dispatchers. */
const PARTS = `
module.exports.Agent = require('./lib/dispatcher/agent');
module.exports.Pool = require('./lib/dispatcher/pool');
module.exports.ProxyAgent = require('./lib/dispatcher/proxy-agent');
module.exports.buildConnector = require('./lib/core/connect');
Object.assign(require('./lib/dispatcher/dispatcher').prototype, require('./lib/api'));
`;
