#include "engine/connection/late_messages.h"

#include <gtest/gtest.h>

#include <vector>

namespace viaduct::quic {
namespace {

using Message = std::vector<uint8_t>;

Message message(uint8_t type, size_t body) {
  Message bytes = {type, 0, static_cast<uint8_t>(body >> 8), static_cast<uint8_t>(body)};
  bytes.resize(4 + body, 0x18);  // which would be a KeyUpdate, were it a head
  return bytes;
}
Message operator+(Message one, const Message& other) {
  one.insert(one.end(), other.begin(), other.end());
  return one;
}

// Whatever the pieces in which they come.
TEST(LateMessages, TicketsMayCome) {
  const Message tickets = message(4, 300) + message(4, 0) + message(4, 5);
  for (size_t piece = 1; piece <= tickets.size(); ++piece) {
    LateMessages late;
    for (size_t at = 0; at < tickets.size(); at += piece)
      EXPECT_FALSE(late.take(Bytes(tickets).subspan(at, std::min(piece, tickets.size() - at))));
    EXPECT_EQ(late.taken(), tickets.size());
  }
}

// proves RFC 9001 4.4-3
TEST(LateMessages, ACertificateRequestIsAProtocolViolation) {
  LateMessages late;
  EXPECT_FALSE(late.take(message(4, 20)));
  EXPECT_EQ(late.take(message(13, 3)).code, ErrorCode::kProtocolViolation);
}

// RFC 9001 section 6: KeyUpdate, and what else has no place here.
// proves RFC 9001 6-2
TEST(LateMessages, OthersAreUnexpected) {
  for (const uint8_t type : {0, 1, 2, 11, 20, 24, 254}) {
    LateMessages late;
    EXPECT_EQ(late.take(message(type, 1)).wire_code(), 0x10au) << int{type};
  }
}

}  // namespace
}  // namespace viaduct::quic
