// mppx pays for a tool of an MCP server, which sells what a page with a price has: mcp.mjs URL.

import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { micromint } from 'micromint-mppx'
import { McpClient } from 'mppx/mcp/client'

import { options } from './support.mjs'

const url = process.argv[2]
const coins = micromint({ ...options('an MCP tool'), origins: [new URL(url).origin] })
const client = new Client({ name: 'test', version: '0' })
const server = new URL('mcp-server.mjs', import.meta.url).pathname
const started = { command: process.execPath, args: [server, url], env: { ...process.env } }
await client.connect(new StdioClientTransport(started))
McpClient.wrap(coins.settlesTools(client), { methods: [coins.method] })
for (const name of ['free', 'paid']) {
  const result = await client.callTool({ name, arguments: {} })
  const { content, receipt = null } = result
  console.log(JSON.stringify({ name, text: content[0].text, receipt }))
}
await client.close()
