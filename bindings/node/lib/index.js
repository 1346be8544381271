'use strict';

const { MicroMintError, version } = require('./library');
const { Challenge, Message, Params } = require('./messages');
const { Decision, Paywall, Request } = require('./paywall');
const { express, fastify, listener, rewriteUrl } = require('./charge');

module.exports = {
  Challenge, Decision, Message, MicroMintError, Params, Paywall, Request, express, fastify, listener, rewriteUrl, version,
};
