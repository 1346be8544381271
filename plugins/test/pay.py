"""pympp pays for pages: pay.py URL..."""

import asyncio
import json
import os
import ssl
import sys

import httpx
from micromint_pympp import MicroMint


async def main() -> None:
    env = os.environ
    coins = MicroMint(
        autopay=env["AUTOPAY"],
        task_limit=env.get("TASK_LIMIT"),
        asked="pympp",
        wallet=env["MICROMINT_WALLET"],
        program=env["MICROMINT_MMWALLET"],
    )
    context = ssl.create_default_context(cafile=env["CACERT"])
    user, _, password = env.get("BASIC", "").partition(":")
    auth = httpx.BasicAuth(user, password) if user else None
    inner = httpx.AsyncHTTPTransport(verify=context)
    async with httpx.AsyncClient(transport=coins.transport(inner)) as client:
        for url in sys.argv[1:]:
            line: dict[str, object] = {"url": url}
            try:
                response = await client.get(url, auth=auth)
                line["status"] = response.status_code
                line["word"] = response.headers.get("micromint-status")
                line["body"] = response.text
            except Exception as error:
                line["error"] = str(error)
            print(json.dumps(line))


asyncio.run(main())
