"""usage: aioquic_client.py CASE ADDRESS CA_FILE [NAME=VALUE]...

One case of aioquic as HTTP/3 client against the server at ADDRESS:443, whose name is origin.example. Prints one line of
what was seen and exits 0, or says what is wrong and exits 1.
"""
import asyncio
import hashlib
import inspect
import socket
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicFrameType, QuicProtocolVersion
from aioquic.tls import CipherSuite, Epoch

NAME = "origin.example"
UNKNOWN_VERSION = 0x1A2A3A4A
WINDOW = 8 << 20


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


class Answer:
    """What came on a request's stream. The body is kept as its length and sum, so that it may be large."""

    def __init__(self, on_data):
        self.headers, self.length, self.sum = {}, 0, hashlib.sha256()
        self.on_data = on_data
        self.done = asyncio.get_running_loop().create_future()

    def take(self, event):
        if isinstance(event, HeadersReceived):
            self.headers.update(event.headers)
        elif isinstance(event, DataReceived):
            self.length += len(event.data)
            self.sum.update(event.data)
            self.on_data(self)
        if event.stream_ended and not self.done.done():
            self.done.set_result(self)


class Client(QuicConnectionProtocol):
    """A connection with requests, and a record of what the peer did on it."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.http = H3Connection(self._quic)
        self.answers = {}
        self.handshake = None  # the event
        self.closed_with = None
        self.frame_counts = {}
        self.ecn_counts = []
        self._watch_frames()

    def _watch_frames(self):
        handlers = self._quic._QuicConnection__frame_handlers
        for kind, (handler, epochs) in list(handlers.items()):
            handlers[kind] = (self._counting(kind, handler), epochs)

    def _counting(self, kind, handler):
        def handle(context, frame_type, buffer):
            self.frame_counts[kind] = self.frame_counts.get(kind, 0) + 1
            handler(context, frame_type, buffer)
        return handle

    def quic_event_received(self, event):
        if isinstance(event, events.HandshakeCompleted):
            self.handshake = event
        elif isinstance(event, events.ConnectionTerminated):
            self.closed_with = event
            for answer in self.answers.values():
                if not answer.done.done():
                    answer.done.set_exception(AssertionError(f"closed: {event}"))
        for http_event in self.http.handle_event(event):
            answer = self.answers.get(getattr(http_event, "stream_id", None))
            if answer:
                answer.take(http_event)

    def request(self, path, method=b"GET", body=None, on_data=lambda answer: None):
        stream = self._quic.get_next_available_stream_id()
        answer = self.answers[stream] = Answer(on_data)
        self.http.send_headers(stream, [(b":method", method), (b":scheme", b"https"), (b":authority", NAME.encode()),
                                        (b":path", path.encode())], end_stream=body is None)
        if body is not None:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        return answer.done

    async def fetch(self, path, **options):
        answer = await self.request(path, **options)
        expect(answer.headers.get(b":status") == b"200", f"{path}: {answer.headers}")
        del self.answers[next(key for key, value in self.answers.items() if value is answer)]
        return answer

    def seen(self, kind):
        return self.frame_counts.get(kind, 0)

    def move(self, new_id):
        """From now on this end has another port; with new_id it also uses another connection ID, as RFC 9000 asks."""
        port = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        port.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        port.bind(("::", 0))
        port.setblocking(False)
        old, loop = self._transport, asyncio.get_running_loop()

        async def switch():
            await loop.create_datagram_endpoint(lambda: self, sock=port)
            old.close()
            if new_id:
                self._quic.change_connection_id()
            self.transmit()
        return switch()

    def connection_lost(self, problem):
        """Of a port that move() left behind: the connection lives on."""


class Run:
    def __init__(self, address, ca_file, options):
        self.address, self.ca_file, self.options = address, ca_file, options
        self.tickets, self.tokens = [], []

    def configuration(self, **changes):
        configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=NAME, cafile=self.ca_file,
                                          max_data=WINDOW, max_stream_data=WINDOW, idle_timeout=30)
        for name, value in changes.items():
            setattr(configuration, name, value)
        return configuration

    def connect(self, configuration=None, **options):
        return connect(self.address, 443, configuration=configuration or self.configuration(), create_protocol=Client,
                       session_ticket_handler=self.tickets.append, token_handler=self.tokens.append, **options)

    def file(self):
        """A file of the origin, its length and sum, as the test's runner wrote them."""
        return self.options["path"], int(self.options["length"]), self.options["sum"]

    async def whole(self, client, **options):
        path, length, total = self.file()
        answer = await client.fetch(path, **options)
        expect((answer.length, answer.sum.hexdigest()) == (length, total), f"{path}: {answer.length} bytes that differ")
        return answer

    # --- the cases ---

    async def handshake(self):
        async with self.connect() as client:
            await self.whole(client)
            await client.ping()
            expect(client.seen(QuicFrameType.HANDSHAKE_DONE) >= 1, "no HANDSHAKE_DONE")
            return f"{client._quic.tls.key_schedule.cipher_suite.name}, confirmed"

    async def transfer(self):
        async with self.connect() as client:
            answer = await self.whole(client)
            return f"{answer.length} bytes, sums agree"

    async def upload(self):
        """A body that the origin takes, and one for a path where it takes none: the next request is served all the same."""
        async with self.connect() as client:
            body = bytes(int(self.options["size"]))
            answer = await client.request("/upload", method=b"POST", body=body)
            expect(answer.headers.get(b":status", b"").startswith(b"2"), f"{answer.headers}")
            answer = await client.request(self.file()[0], method=b"POST", body=body[:1_000_000])
            expect(answer.headers.get(b":status") == b"405", f"{answer.headers}")
            await self.whole(client)
            return f"{len(body)} bytes taken; elsewhere 405, and the next request is served"

    async def streams(self):
        """Many requests at once, more than the peer's first limit of streams."""
        path, length, total = self.file()
        async with self.connect() as client:
            count = int(self.options["count"])
            first = client._quic._remote_max_streams_bidi
            answers = await asyncio.gather(*[client.request(path) for _ in range(count)])
            for answer in answers:
                expect((answer.length, answer.sum.hexdigest()) == (length, total), "an answer differs")
            expect(count <= first or client.seen(QuicFrameType.MAX_STREAMS_BIDI) > 0, "no MAX_STREAMS came")
            return f"{count} answers, the first limit was {first}"

    async def retry(self):
        async with self.connect() as client:
            await self.whole(client)
            expect(client._quic._retry_count == 1, f"{client._quic._retry_count} Retry packets")
            return "a Retry, and its token was taken"

    async def new_token(self):
        """A token of one connection spares the next one the Retry."""
        async with self.connect() as client:
            await self.whole(client)
            await client.ping()
        expect(self.tokens, "no NEW_TOKEN")
        async with self.connect(self.configuration(token=self.tokens[-1])) as client:
            await self.whole(client)
            expect(client._quic._retry_count == 0, "a Retry in spite of the token")
        return f"{len(self.tokens)} tokens; the next connection had no Retry"

    async def _ticket(self):
        async with self.connect() as client:
            await self.whole(client)
            await client.ping()
        expect(self.tickets, "no session ticket")
        return self.tickets[-1]

    async def resumption(self):
        configuration = self.configuration(session_ticket=await self._ticket())
        async with self.connect(configuration) as client:
            await self.whole(client)
            expect(client.handshake.session_resumed, "a full handshake again")
        return "the second handshake had no certificate"

    async def zero_rtt(self):
        configuration = self.configuration(session_ticket=await self._ticket())
        async with self.connect(configuration, wait_connected=False) as client:
            answer = client.request(self.file()[0])
            answer = await answer
            expect(client.handshake and client.handshake.session_resumed, "a full handshake again")
            expect(client.handshake.early_data_accepted, "early data was refused")
            expect(answer.length == self.file()[1], f"{answer.length} bytes")
        return "the request went in 0-RTT and was answered"

    async def key_update(self):
        async with self.connect() as client:
            await self.whole(client)
            await client.ping()
            pair = client._quic._cryptos[Epoch.ONE_RTT]
            for phase in (1, 0, 1):
                client.request_key_update()
                await self.whole(client)
                await client.ping()
                expect((pair.send.key_phase, pair.recv.key_phase) == (phase, phase),
                       f"phases {pair.send.key_phase} and {pair.recv.key_phase}, expected {phase}")
        return "three updates, both ways"

    async def peers_key_update(self):
        """The server updates its keys in a transfer, and we follow. In version 1: aioquic makes the keys of version 2 with
        the label of version 1 (RFC 9369 section 3.3.1)."""
        async with self.connect(self.configuration(supported_versions=[QuicProtocolVersion.VERSION_1])) as client:
            phases = []

            def on_data(_):
                phase = client._quic._cryptos[Epoch.ONE_RTT].recv.key_phase
                if not phases or phases[-1] != phase:
                    phases.append(phase)
            await self.whole(client, on_data=on_data)
            expect(len(phases) >= 3, f"phases {phases}")
            return f"{len(phases) - 1} updates by the server"

    async def chacha20(self):
        async with self.connect(self.configuration(cipher_suites=[CipherSuite.CHACHA20_POLY1305_SHA256])) as client:
            await self.whole(client)
            suite = client._quic.tls.key_schedule.cipher_suite
            expect(suite == CipherSuite.CHACHA20_POLY1305_SHA256, suite.name)
            return suite.name

    async def aes256(self):
        async with self.connect(self.configuration(cipher_suites=[CipherSuite.AES_256_GCM_SHA384])) as client:
            await self.whole(client)
            suite = client._quic.tls.key_schedule.cipher_suite
            expect(suite == CipherSuite.AES_256_GCM_SHA384, suite.name)
            return suite.name

    async def v2(self):
        """Only v2, from the first packet on."""
        versions = [QuicProtocolVersion.VERSION_2]
        async with self.connect(self.configuration(supported_versions=versions, original_version=versions[0])) as client:
            await self.whole(client)
            expect(client._quic._version == versions[0], f"version {client._quic._version:#x}")
            return "QUIC v2 throughout"

    async def compatible_versions(self):
        """A v1 Initial whose version_information prefers v2 (RFC 9368): the server switches in its first flight."""
        versions = [QuicProtocolVersion.VERSION_2, QuicProtocolVersion.VERSION_1]
        configuration = self.configuration(supported_versions=versions, original_version=QuicProtocolVersion.VERSION_1)
        async with self.connect(configuration) as client:
            await self.whole(client)
            expect(client._quic._version == QuicProtocolVersion.VERSION_2, f"version {client._quic._version:#x}")
            return "v1 became v2"

    async def version_negotiation(self):
        configuration = self.configuration(supported_versions=[UNKNOWN_VERSION, QuicProtocolVersion.VERSION_1],
                                           original_version=UNKNOWN_VERSION)
        async with self.connect(configuration) as client:
            await self.whole(client)
            expect(client._quic._version_negotiated_incompatible, "no Version Negotiation")
            expect(client._quic._version == QuicProtocolVersion.VERSION_1, f"version {client._quic._version:#x}")
            return "a Version Negotiation packet, then v1"

    async def _on_the_move(self, new_id):
        moves = []
        async with self.connect() as client:
            await client.ping()
            step = self.file()[1] // 4

            def on_data(answer):
                if len(moves) < 3 and answer.length > step * (len(moves) + 1):
                    moves.append(asyncio.ensure_future(client.move(new_id)))
            await self.whole(client, on_data=on_data)
            await asyncio.gather(*moves)
            challenges = client.seen(QuicFrameType.PATH_CHALLENGE)
            expect(len(moves) == 3 and challenges >= 3, f"{len(moves)} moves, {challenges} PATH_CHALLENGE frames")
            return f"3 moves in a transfer, {challenges} PATH_CHALLENGE frames answered"

    async def rebinding(self):
        return await self._on_the_move(new_id=False)

    async def migration(self):
        return await self._on_the_move(new_id=True)

    async def ecn(self):
        """Our packets carry ECT(0): the server's ACK frames must count them."""
        seen = []
        async with self.connect() as client:
            port = client._transport.get_extra_info("socket")
            port.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 2)
            port.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 2)
            handler, epochs = client._quic._QuicConnection__frame_handlers[QuicFrameType.ACK_ECN]

            def handle(context, frame_type, buffer):
                handler(context, frame_type, buffer)
                here = buffer.tell()
                buffer.seek(here - 3)  # three counts of one byte each, while they are small
                seen.append([value for value in buffer.pull_bytes(3)])
            client._quic._QuicConnection__frame_handlers[QuicFrameType.ACK_ECN] = (handle, epochs)
            for _ in range(5):
                await client.ping()
            await self.whole(client)
            expect(seen and seen[-1][0] > 0, f"ACK_ECN frames: {seen[-3:]}")
            expect(all(counts[1:] == [0, 0] for counts in seen if max(counts) < 64), f"ECT(1) or CE out of nothing: {seen}")
        return f"{len(seen)} ACK frames with ECN counts"

    async def many_handshakes(self):
        count = int(self.options["count"])
        for _ in range(count):
            async with self.connect() as client:
                await self.whole(client)
        return f"{count} connections, one after the other"

    async def connection_ids(self):
        """The server keeps the client supplied with connection IDs, also while they are used up."""
        async with self.connect() as client:
            await client.ping()
            for _ in range(12):
                client.change_connection_id()
                await client.ping()
            issued = client.seen(QuicFrameType.NEW_CONNECTION_ID)
            expect(issued >= 12, f"{issued} NEW_CONNECTION_ID frames")
            await self.whole(client)
            return f"12 changes, {issued} NEW_CONNECTION_ID frames"


def main():
    case, address, ca_file, *rest = sys.argv[1:]
    run = Run(address, ca_file, dict(word.split("=", 1) for word in rest))
    action = getattr(run, case.replace("-", "_"), None)
    if case.startswith("_") or not inspect.iscoroutinefunction(action):
        sys.exit(f"aioquic_client: no case '{case}'")
    try:
        print(asyncio.run(asyncio.wait_for(action(), float(run.options.get("seconds", 60)))))
    except (AssertionError, ConnectionError, asyncio.TimeoutError) as problem:
        sys.exit(f"{type(problem).__name__}: {problem}".strip())


if __name__ == "__main__":
    main()
