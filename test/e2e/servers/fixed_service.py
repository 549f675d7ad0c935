# SPDX-License-Identifier: Apache-2.0
"""A model server whose capacity is known: so many workers, one first-come queue, the same service time for each request. It sleeps
rather than computes, so that the machine is not what limits it.

    fixed_service.py PORT WORKERS SECONDS

GET /stats: {"served": N, "seconds": how long they were served in all}. Any other request is a prediction.
"""

import asyncio
import json
import sys
import time


class Server:
    def __init__(self, workers, seconds):
        self.seconds, self.workers = seconds, asyncio.Semaphore(workers)
        self.served, self.busy = 0, 0.0

    async def predict(self):
        async with self.workers:
            started = time.monotonic()
            await asyncio.sleep(self.seconds)
            self.served += 1
            self.busy += time.monotonic() - started
        return {"prediction": 1.0}

    async def connection(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
                await reader.readexactly(length)
                is_stats = head.split(b" ", 2)[1].startswith(b"/stats")
                answer = {"served": self.served, "seconds": self.busy} if is_stats else await self.predict()
                body = json.dumps(answer).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main():
    server = await asyncio.start_server(Server(int(sys.argv[2]), float(sys.argv[3])).connection, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
