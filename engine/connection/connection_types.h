// What a connection is made from, and what goes into it and comes out of it beside packets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/packet.h"
#include "engine/app_channel.h"
#include "engine/congestion/careful_resume.h"
#include "engine/wire/packet_header.h"
#include "engine/wire/role.h"
#include "engine/wire/version.h"

namespace viaduct::quic {

class ServerMemory;

// A packet whose protection was removed.
struct OpenedPacket {
  PacketType type = PacketType::kOneRtt;
  uint8_t first_octet = 0;  // without its mask
  uint64_t number = 0;
  Bytes payload;
  Bytes dcid;
  Packet* datagram = nullptr;
};

// What became of the packets of one datagram.
struct DatagramOutcome {
  bool processed = false;
  bool duplicate = false;
  bool undecryptable = false;
  bool without_keys = false;
  bool deferred = false;
  bool malformed = false;
  bool no_room = false;
  bool failed = false;  // it closed the connection
  bool closing = false;
  bool wrong_path = false;
};

// How a connection came to its end.
struct CloseReason {
  uint64_t error = 0;
  bool application = false;
  uint64_t frame_type = 0;
  std::string_view reason = {};
};

// How a connection begins.
struct ConnectionStart {
  Role role = Role::kServer;
  uint32_t version = kVersion1;
  Path path;
  ConnectionId local_id;
  ConnectionId original_dcid;      // of the client's very first Initial
  ConnectionId initial_dcid;       // of its first after a Retry, if there was one: Initial keys are made from it
  ConnectionId remote_id;          // the client's SCID; for a client the original DCID, until the server chose its own
  std::string server_name = {};    // client
  uint64_t cookie = 0;             // client
  ServerMemory* memory = nullptr;  // client
  bool address_is_proved = false;  // server: a token says so
  PathKnowledge path_knowledge = {};  // server: of an earlier connection to the same address
};

}  // namespace viaduct::quic
