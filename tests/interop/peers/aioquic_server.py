"""usage: aioquic_server.py FOLDER CERTIFICATE KEY [retry] [v1-only] [v2-only] [key-update]

aioquic as HTTP/3 server on port 443 of all addresses: files of FOLDER by GET; the length and sum of a body by POST. Prints
"ready", and a line of JSON for each connection that ends. retry: clients must prove their address. key-update: it updates
its keys after each answer.
"""
import asyncio
import hashlib
import json
import sys
from pathlib import Path

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicFrameType, QuicProtocolVersion
from aioquic.tls import Epoch

WINDOW = 8 << 20


class Server(QuicConnectionProtocol):
    folder = None
    updates_keys = False

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.http = None
        self.paths, self.sums = {}, {}
        self.seen = {"resumed": False, "early_data": False, "challenges": 0, "responses": 0, "peer_ports": [],
                     "ack_ecn": 0, "key_phases": []}
        self._watch(QuicFrameType.PATH_CHALLENGE, "challenges")
        self._watch(QuicFrameType.PATH_RESPONSE, "responses")
        self._watch(QuicFrameType.ACK_ECN, "ack_ecn")

    def _watch(self, kind, name):
        handlers = self._quic._QuicConnection__frame_handlers
        handler, epochs = handlers[kind]

        def handle(context, frame_type, buffer):
            self.seen[name] += 1
            handler(context, frame_type, buffer)
        handlers[kind] = (handle, epochs)

    def datagram_received(self, data, addr):
        if addr[1] not in self.seen["peer_ports"]:
            self.seen["peer_ports"].append(addr[1])
        super().datagram_received(data, addr)

    def quic_event_received(self, event):
        if isinstance(event, events.ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        elif isinstance(event, events.HandshakeCompleted):
            self.seen.update(resumed=event.session_resumed, early_data=event.early_data_accepted,
                             cipher=self._quic.tls.key_schedule.cipher_suite.name, version=hex(self._quic._version))
        elif isinstance(event, events.ConnectionTerminated):
            print(json.dumps({**self.seen, "error": event.error_code, "reason": event.reason_phrase}), flush=True)
        if self.http:
            for http_event in self.http.handle_event(event):
                self._on_http(http_event)

    def _on_http(self, event):
        stream = getattr(event, "stream_id", None)
        if isinstance(event, HeadersReceived):
            headers = dict(event.headers)
            self.paths[stream] = headers.get(b":path", b"/").decode()
            self.sums[stream] = [0, hashlib.sha256()]
        elif isinstance(event, DataReceived) and stream in self.sums:  # an end that comes again is told again
            self.sums[stream][0] += len(event.data)
            self.sums[stream][1].update(event.data)
        if getattr(event, "stream_ended", False) and stream in self.paths:
            self._answer(stream, self.paths.pop(stream), *self.sums.pop(stream))

    def _answer(self, stream, path, length, total):
        name = self.folder / path.split("?")[0].lstrip("/")
        body = f"{length} {total.hexdigest()}".encode() if length else name.read_bytes() if name.is_file() else b""
        status = b"200" if length or name.is_file() else b"404"
        self.http.send_headers(stream, [(b":status", status), (b"content-length", str(len(body)).encode())])
        self.http.send_data(stream, body, end_stream=True)
        pair = self._quic._cryptos[Epoch.ONE_RTT]
        self.seen["key_phases"] = sorted({*self.seen["key_phases"], pair.recv.key_phase})
        if self.updates_keys:
            try:
                self._quic.request_key_update()
            except AssertionError:
                pass  # the handshake is not confirmed yet, or the last update is under way
        self.transmit()


async def run(folder, certificate, key, words):
    versions = [QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2]
    if "v1-only" in words:
        versions = versions[:1]
    if "v2-only" in words:
        versions = versions[1:]
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN, supported_versions=versions,
                                      max_data=WINDOW, max_stream_data=WINDOW)
    configuration.load_cert_chain(certificate, key)
    Server.folder, Server.updates_keys = Path(folder), "key-update" in words
    tickets = {}
    await serve("::", 443, configuration=configuration, create_protocol=Server, retry="retry" in words,
                session_ticket_handler=lambda ticket: tickets.__setitem__(ticket.ticket, ticket),
                session_ticket_fetcher=tickets.get)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:4], sys.argv[4:]))
