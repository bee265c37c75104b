// The state of one request and of one connection at a server.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "apps/http3/message_reader.h"
#include "apps/http3/peer_streams.h"
#include "apps/http3/verdicts.h"
#include "base/instant.h"
#include "base/intrusive_list.h"
#include "engine/app_channel.h"

namespace viaduct::http3 {

// A client-initiated bidirectional stream from its first byte until both directions are done and every write is
// released. A stream that the peer skipped over (RFC 9000 section 2.1 opens it all the same) has one too, so that
// an unknown stream below the highest one is always a finished one.
struct Request : ListNode<> {
  quic::ConnectionHandle connection;
  uint64_t stream = 0;

  // --- what comes ---
  MessageReader reader{Role::kServer};
  std::optional<uint64_t> content_length;
  uint64_t content_received = 0;
  uint64_t section_length = 0;  // of the encoded section under way
  uint8_t* section = nullptr;   // block where it is gathered, if it came in parts
  uint32_t section_used = 0;    // bytes gathered
  bool section_too_large = false;
  bool has_data = false;  // anything came at all
  bool is_early = false;  // some of it as 0-RTT
  bool is_asked = false;  // the application has it
  bool receive_done = false;

  // --- what goes ---
  bool has_head = false;    // the response's header section was written
  bool send_done = false;   // its end was written, or it was reset
  bool is_aborted = false;  // reset from either side
  uint64_t body_left = 0;   // content bytes still to be written
  uint32_t writes_in_flight = 0;
  Verdict outcome = kRequestAnswered;
};

struct Connection {
  explicit Connection(quic::ConnectionHandle h) : handle(h), peer(Role::kServer) {}

  quic::ConnectionHandle handle;
  PeerStreams peer;
  IdleFrames idle;
  IntrusiveList<Request> requests;
  uint32_t request_count = 0;      // in the list
  uint32_t asked_count = 0;        // of them, those with a header section
  uint32_t sections_gathered = 0;  // blocks its requests hold
  uint32_t writes_in_flight = 0;   // of all responses
  uint32_t repeated = 0;           // of them, answers that were given before: what they answer is not in the list
  uint64_t next_stream = 0;        // the lowest request stream that was not opened yet
  Instant quiet_since = Instant::from_ns(std::numeric_limits<int64_t>::min() / 2);  // when it last became so
  uint8_t goaways_sent = 0;
  bool is_closing = false;  // kClose was sent: nothing it says matters any more

  // Every request is over, and every response was delivered.
  bool is_quiet() const { return asked_count == 0 && writes_in_flight == 0; }
};

}  // namespace viaduct::http3
