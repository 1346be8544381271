// An MCP server whose tool `paid` costs what the page at a URL costs: mcp-server.mjs URL. It passes
// the paywall's challenge on as JSON-RPC error -32042, and the credential back to the paywall.

import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import * as types from '@modelcontextprotocol/sdk/types.js'
import { Challenge, Credential, Mcp, Receipt } from 'mppx'

const url = process.argv[2]
const inputSchema = { type: 'object', properties: {} }
const tool = (name) => ({ name, description: name, inputSchema })

const server = new Server({ name: 'paid-tools', version: '0' }, { capabilities: { tools: {} } })
const tools = [tool('free'), tool('paid')]
server.setRequestHandler(types.ListToolsRequestSchema, () => ({ tools }))
server.setRequestHandler(types.CallToolRequestSchema, async ({ params }) => {
  if (params.name === 'free') return { content: [{ type: 'text', text: 'free' }] }
  const credential = params._meta?.[Mcp.credentialMetaKey]
  const headers = credential ? { authorization: Credential.serialize(credential) } : {}
  const response = await fetch(url, { headers })
  if (response.status === 402) {
    const challenge = Challenge.deserialize(response.headers.get('www-authenticate'))
    throw new types.McpError(Mcp.paymentRequiredCode, 'Payment Required', {
      httpStatus: 402,
      challenges: [challenge],
    })
  }
  const receipt = response.headers.get('payment-receipt')
  return {
    content: [{ type: 'text', text: await response.text() }],
    _meta: receipt ? { [Mcp.receiptMetaKey]: Receipt.deserialize(receipt) } : {},
  }
})
await server.connect(new StdioServerTransport())
