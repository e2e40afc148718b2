"""Child process of test_crash: appends without end and writes each acknowledged seq to stdout."""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from outpost.audit import writer
from tests.fakes.audit import RECEIPTS, Receiver, event, open_test_log

writer.COMMITS_PER_WAL_CHECKPOINT = 5  # so that a kill often hits the moving of the WAL too


async def main(path, appenders):
    log = open_test_log(path)
    numbers = count()
    receiver = Receiver()
    receiver.frontier = log._delivered.to_bytes()

    async def append():
        while True:
            number = next(numbers)
            seq = await log.append(event(number))
            os.write(1, f"{seq}\n".encode())  # below PIPE_BUF: whole or not at all

    async def deliver():
        while True:
            await asyncio.sleep(0.005)
            batch = await asyncio.to_thread(log.pending, 20)
            if batch is not None:
                await asyncio.to_thread(log.acknowledge, receiver.receive(batch), RECEIPTS.verifier)

    await asyncio.gather(deliver(), *(append() for _ in range(appenders)))


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
