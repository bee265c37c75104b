// An Initial packet that a test seals itself: anybody can make its keys.
#pragma once

#include <vector>

#include "crypto-offload/key_schedule.h"
#include "crypto-offload/packet_protector.h"
#include "engine/wire/packet_header.h"
#include "engine/wire/role.h"

namespace viaduct::quic::test {

struct InitialPacket {
  Role sender = Role::kClient;
  uint32_t version = kVersion1;
  std::vector<uint8_t> key_dcid;  // whose keys
  std::vector<uint8_t> dcid;
  std::vector<uint8_t> scid;
  std::vector<uint8_t> token = {};
  uint32_t number = 0;
  std::vector<uint8_t> frames;
  size_t pad_to = kMinInitialDatagram;

  std::vector<uint8_t> seal() const {
    std::vector<uint8_t> packet(2048);
    ByteWriter writer(packet);
    const LongHeader fields{.version = version, .dcid = dcid, .scid = scid, .token = token};
    const HeaderLayout layout = write_long_header(writer, fields, number, 4);
    std::vector<uint8_t> payload = frames;
    const size_t overhead = layout.size + crypto::kTagSize;
    if (payload.size() + overhead < pad_to) payload.resize(pad_to - overhead);
    packet.resize(overhead + payload.size());
    set_packet_length(packet.data(), layout, packet.size());

    const auto secrets = crypto::initial_secrets(version, key_dcid);
    const Bytes secret = (sender == Role::kClient ? secrets.client : secrets.server).bytes();
    const auto raw = crypto::derive_keys(version, crypto::Aead::kAes128Gcm, secret);
    const auto protector = crypto::make_protector();
    const auto key = protector->make_packet_key(raw);
    const auto header_key = protector->make_header_key(raw);
    crypto::SealJob job{.key = key.get(),
                        .packet_number = number,
                        .associated_data = {packet.data(), layout.size},
                        .in = {Bytes(payload), {}, {}},
                        .out = packet.data() + layout.size};
    protector->seal({&job, 1});
    crypto::MaskJob mask{header_key.get(), packet.data() + layout.packet_number_offset + kSampleOffset, {}};
    protector->header_masks({&mask, 1});
    packet[0] ^= mask.mask[0] & 0x0f;
    for (size_t i = 0; i < 4; ++i) packet[layout.packet_number_offset + i] ^= mask.mask[i + 1];
    return packet;
  }
};

}  // namespace viaduct::quic::test
