// A third-party MCP client fetches pages with `mmwallet mcp`: mmwallet-mcp.mjs URL...

import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'

const { MICROMINT_MMWALLET, MICROMINT_WALLET, AUTOPAY, TASK_LIMIT } = process.env
const limits = ['--allow-private', '--autopay', AUTOPAY, '--task-limit', TASK_LIMIT]
const args = ['--wallet', MICROMINT_WALLET, 'mcp', ...limits]
const client = new Client({ name: 'test-client', version: '0' })
await client.connect(new StdioClientTransport({ command: MICROMINT_MMWALLET, args }))
const { tools } = await client.listTools()
console.log(JSON.stringify({ tools: tools.map(({ name }) => name) }))
const fetch = (url) => client.callTool({ name: 'fetch', arguments: { url, reason: 'a test' } })
const results = await Promise.all(process.argv.slice(2).map(fetch))
for (const { content, isError = false } of results) {
  console.log(JSON.stringify({ isError, text: content.at(-1).text }))
}
await client.close()
