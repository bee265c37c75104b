"""usage: aioquic_parameters.py ADDRESS CA_FILE

Prints the names of the transport parameters that the server at ADDRESS:443 sends, and their values, as JSON.
"""
import asyncio
import json
import sys

import aioquic.quic.connection
from aioquic.asyncio.client import connect
from aioquic.quic.configuration import QuicConfiguration

seen = {}
pull = aioquic.quic.connection.pull_quic_transport_parameters


def note(buffer):
    parameters = pull(buffer)
    seen.update({name: str(value) for name, value in vars(parameters).items() if value not in (None, False)})
    return parameters


async def main(address, ca_file):
    aioquic.quic.connection.pull_quic_transport_parameters = note
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name="origin.example", cafile=ca_file)
    async with connect(address, 443, configuration=configuration):
        print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
