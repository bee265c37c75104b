// SCONE packets in front of others are taken off and change nothing (draft-ietf-scone-protocol section 5).
#include <gtest/gtest.h>

#include "engine/verdicts.h"
#include "flowsteer/invariants.h"
#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

// As a sender would, who leaves room for it.
void put_scone_in_front(Datagram& datagram, uint32_t version, size_t id_length) {
  const auto next = flowsteer::parse_invariants(datagram.bytes, id_length);
  if (!next) return;
  std::vector<uint8_t> scone(7 + next->dcid.size() + next->scid.size());
  ByteWriter writer(scone);
  writer.u8(0xbf);
  writer.u32(version);
  writer.u8(static_cast<uint8_t>(next->dcid.size()));
  writer.bytes(next->dcid);
  writer.u8(static_cast<uint8_t>(next->scid.size()));
  writer.bytes(next->scid);
  datagram.bytes.insert(datagram.bytes.begin(), scone.begin(), scone.end());
}

class Scone : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Versions, Scone, ::testing::Values(0x6f7dc0fd, 0xef7dc0fd),
                         [](const auto& tested) { return std::to_string(tested.index); });

TEST_P(Scone, InFrontOfEveryDatagramOfAConnection) {
  TwoEndpoints pair;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    Side& receiver = to_server ? pair.server : pair.client;
    if (datagram.bytes.size() < 1'400) put_scone_in_front(datagram, GetParam(), receiver.id_length());
    return true;
  };
  ASSERT_TRUE(pair.handshake());
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(20'000, 3), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[0]; }));
  EXPECT_EQ(pair.server.received[0].size(), 20'000u);
  EXPECT_EQ(pair.server.verdict(kNewConnection), 1u);
  EXPECT_EQ(pair.server.verdict(kVersionUnknown) + pair.server.verdict(kVersionUnanswered), 0u);
  EXPECT_EQ(pair.server.stats().packets_undecryptable + pair.client.stats().packets_undecryptable, 0u);
}

TEST(SconePackets, AloneOrTwiceAreNoConnection) {
  TwoEndpoints pair;
  Datagram alone{{kClientPath.remote, kClientPath.local}, {}, Ecn::kNotEct};
  alone.bytes = {0xbf, 0x6f, 0x7d, 0xc0, 0xfd, 0x04, 1, 2, 3, 4, 0x00};
  pair.server.ingest(alone, pair.now);
  EXPECT_EQ(pair.server.verdict(kMalformed), 1u);
  Datagram twice = alone;
  twice.bytes.insert(twice.bytes.end(), alone.bytes.begin(), alone.bytes.end());
  twice.bytes.resize(1'250);
  pair.server.ingest(twice, pair.now);
  EXPECT_EQ(pair.server.stats().connections_accepted, 0u);
  EXPECT_EQ(pair.server.endpoint().verdicts().sum(), 2u);
}

// Clients of the draft end their first datagrams with two bytes that are no packet.
TEST(SconePackets, TheIndicationBehindAFirstDatagramIsTolerated) {
  TwoEndpoints pair;
  pair.filter = [&](bool to_server, Datagram& datagram) {
    if (to_server && (datagram.bytes[0] & 0xf0) == 0xc0) {
      datagram.bytes.push_back(0xc8);
      datagram.bytes.push_back(0x13);
    }
    return true;
  };
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.server.verdict(kNewConnection), 1u);
  EXPECT_EQ(pair.server.verdict(kMalformed), 0u);
}

}  // namespace
}  // namespace viaduct::quic::test
