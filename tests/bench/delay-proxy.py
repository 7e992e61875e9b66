#!/usr/bin/env python3
"""A TCP proxy that makes hosts look far away: a listening port on 127.0.0.1 per host, bytes released after the delay.

usage: delay-proxy.py DELAY_MS ADDRESS:PORT..     DELAY_MS each way, so a round trip costs twice that
Prints the ports as one JSON line. For each line on stdin it prints a count of round trips and starts again from
zero; end of file ends it. A round trip is counted whenever a client sends after having received something,
and one for each connection; divided by the number of hosts it is what each host was waited for.
"""
import asyncio
import contextlib
import collections
import json
import selectors
import socket
import sys

DELAY = float(sys.argv[1]) / 1000
turns = 0


class End(asyncio.Protocol):
    """One end of a connection; what arrives here leaves at `peer` after the delay, in order."""

    def __init__(self, client):
        self.client, self.peer, self.transport = client, None, None
        self.queue = collections.deque()  # (due, bytes or None for end of file)
        self.scheduled = self.answered = False

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.client:
            count()
            asyncio.ensure_future(self.dial())
        else:
            self.peer.pump()

    async def dial(self):
        # A real connect takes the client one round trip, and its last packet is one way later at the server.
        loop = asyncio.get_running_loop()
        self.transport.pause_reading()
        await asyncio.sleep(2 * DELAY)
        self.transport.resume_reading()
        await asyncio.sleep(DELAY)
        server = End(client=False)
        server.peer = self
        try:
            await loop.create_connection(lambda: server, *self.target)
        except OSError:
            self.transport.abort()
            return
        self.peer = server
        self.pump()

    def put(self, data):
        self.queue.append((asyncio.get_running_loop().time() + DELAY, data))
        self.pump()

    def data_received(self, data):
        if self.client and self.answered:
            self.answered = False
            count()
        self.put(data)

    def eof_received(self):
        self.put(None)
        return True  # the other direction stays open

    def connection_lost(self, exc):
        self.put(None)

    def pump(self):
        if self.scheduled or not self.queue or self.peer is None or self.peer.transport is None:
            return
        loop = asyncio.get_running_loop()
        while self.queue and self.queue[0][0] <= loop.time():
            _, data = self.queue.popleft()
            out = self.peer.transport
            if out.is_closing():
                continue
            if data is None:
                if self.transport.is_closing():
                    out.close()
                elif out.can_write_eof():
                    with contextlib.suppress(OSError):  # the other side has gone already
                        out.write_eof()
            else:
                out.write(data)
                if not self.client:
                    self.peer.answered = True
        if self.queue:
            self.scheduled = True
            loop.call_at(self.queue[0][0], self.due)

    def due(self):
        self.scheduled = False
        self.pump()


def count():
    global turns
    turns += 1


def accept(target):
    def make():
        end = End(client=True)
        end.target = target
        return end
    return make


async def main():
    loop = asyncio.get_running_loop()
    ports = []
    for spec in sys.argv[2:]:
        address, _, port = spec.rpartition(":")
        server = await loop.create_server(accept((address, int(port))), "127.0.0.1", 0, backlog=128)
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    ended = loop.create_future()

    def command():
        global turns
        if not sys.stdin.readline():
            loop.remove_reader(sys.stdin)
            ended.set_result(None)
            return
        print(turns, flush=True)
        turns = 0

    loop.add_reader(sys.stdin, command)
    await ended


# epoll rounds timeouts up to whole milliseconds; select does not.
loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
