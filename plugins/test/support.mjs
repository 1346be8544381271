// What the clients of make test-agents share: limits from the environment, a line of JSON for each
// page.

/** The options of `micromint` from MICROMINT_WALLET, MICROMINT_MMWALLET, AUTOPAY and TASK_LIMIT. */
export function options(asked) {
  const env = process.env
  const limits = { autopay: env.AUTOPAY, taskLimit: env.TASK_LIMIT, task: env.TASK }
  return { program: env.MICROMINT_MMWALLET, wallet: env.MICROMINT_WALLET, asked, ...limits }
}

/** The header fields for pages beside which a password is asked for. */
export function headers() {
  const basic = process.env.BASIC
  return basic ? { authorization: `Basic ${Buffer.from(basic).toString('base64')}` } : {}
}

/** Fetches each URL of the command line and prints what came. */
export async function fetchAll(fetch) {
  for (const url of process.argv.slice(2)) {
    let line
    try {
      const response = await fetch(url, { headers: headers() })
      const word = response.headers.get('micromint-status')
      line = { url, status: response.status, word, body: await response.text() }
    } catch (error) {
      line = { url, error: `${error.message} ${error.cause?.message ?? ''}`.trim() }
    }
    console.log(JSON.stringify(line))
  }
}
