"""usage: flood.py INTERFACE SECONDS RATE SEED

Sends frames out of INTERFACE that nobody wants to get: random bytes, and cut, changed, spoofed and repeated copies of the
frames for UDP port 443 that pass there meanwhile. Prints how many of each kind, as JSON.
"""
import json
import random
import socket
import struct
import sys
import time

KINDS = ["garbage", "truncated", "flipped", "spoofed", "replayed"]
KEPT = 4096  # frames that copies are made of
BATCH = 64
SIO_OUTGOING = 4  # sockaddr_ll: a frame that this machine sent
ETH_P_ALL = 3


def ip_length(frame):
    """Bytes of Ethernet and IP header of a frame for port 443; 0 for any other."""
    if len(frame) < 62:
        return 0
    kind = frame[12:14]
    if kind == b"\x08\x00" and frame[23] == 17:
        length = 14 + (frame[14] & 15) * 4
    elif kind == b"\x86\xdd" and frame[20] == 17:
        length = 54
    else:
        return 0
    return length if frame[length + 2:length + 4] == b"\x01\xbb" else 0


def with_header_sum(frame):
    """An IPv4 header's checksum made right again."""
    if frame[12:14] == b"\x08\x00":
        end = 14 + (frame[14] & 15) * 4
        frame[24:26] = b"\0\0"
        total = sum(struct.unpack(f"!{(end - 14) // 2}H", frame[14:end]))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        frame[24:26] = struct.pack("!H", total ^ 0xffff)
    return frame


class Flood:
    def __init__(self, interface, seed):
        self.random = random.Random(seed)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, 0))
        self.seen = []
        self.sent = dict.fromkeys(KINDS, 0)
        self.refused = 0

    def listen(self):
        """Takes some of the frames that this machine sends for real."""
        self.socket.setblocking(False)
        for _ in range(BATCH):
            try:
                frame, address = self.socket.recvfrom(2048)
            except BlockingIOError:
                break
            if address[2] == SIO_OUTGOING and ip_length(frame):
                if len(self.seen) < KEPT:
                    self.seen.append(frame)
                else:
                    self.seen[self.random.randrange(KEPT)] = frame

    def make(self, kind):
        frame = bytearray(self.random.choice(self.seen))
        start = ip_length(frame)
        if kind == "garbage":
            frame[start + 8:] = self.random.randbytes(len(frame) - start - 8)
            frame[start:start + 2] = self.random.randbytes(2)
        elif kind == "truncated":
            del frame[self.random.randrange(1, len(frame)):]
        elif kind == "flipped":
            for _ in range(self.random.randrange(1, 8)):
                at = self.random.randrange(12, len(frame))
                frame[at] ^= 1 << self.random.randrange(8)
        elif kind == "spoofed":
            source = 26 if frame[12:14] == b"\x08\x00" else 22
            frame[source + 1:source + 4] = self.random.randbytes(3)
            frame[start:start + 2] = self.random.randbytes(2)
            with_header_sum(frame)
        return frame

    def run(self, seconds, rate):
        end = time.monotonic() + seconds
        next_batch = time.monotonic()
        while (now := time.monotonic()) < end:
            self.listen()
            if now < next_batch or not self.seen:
                time.sleep(min(0.001, max(0.0, next_batch - now)) or 0.001)
                continue
            next_batch = max(next_batch + BATCH / rate, now - 0.1)
            for _ in range(BATCH):
                kind = self.random.choice(KINDS)
                try:
                    self.socket.send(self.make(kind))
                    self.sent[kind] += 1
                except OSError:
                    self.refused += 1


def main():
    interface, seconds, rate, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    flood = Flood(interface, seed)
    flood.run(seconds, rate)
    print(json.dumps({**flood.sent, "refused": flood.refused}))


if __name__ == "__main__":
    main()
