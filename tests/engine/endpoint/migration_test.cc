// Clients that move on purpose, and servers that ask them to (RFC 9000 sections 9.2, 9.5 and 9.6).
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>

#include "engine/connection/path_state.h"
#include "engine/wire/frames.h"
#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

constexpr SocketAddress kElsewhere{IpAddress::v4(198, 18, 7, 7), 41000};
constexpr SocketAddress kPreferred{IpAddress::v4(198, 18, 0, 99), 8443};

std::vector<uint8_t> dcid_of(const Datagram& datagram) {
  return {datagram.bytes.begin() + 1, datagram.bytes.begin() + 13};
}

class Migration : public ::testing::Test {
 protected:
  void make(const PairOptions& options = {.client = small_config(), .server = small_config()}) {
    pair.emplace(options);
    ASSERT_TRUE(pair->handshake());
    pair->run_for(Duration::milliseconds(300));
    pair->record = true;
  }
  bool move(SocketAddress local = kElsewhere) {
    return pair->client.endpoint().move(pair->client.opened[0], local, pair->now);
  }
  void transfer(size_t size = 200'000) {
    const uint64_t stream = next_stream;
    next_stream += 4;
    pair->client.write(pair->client.opened[0], stream, std::vector<uint8_t>(10, 1), true);
    ASSERT_TRUE(pair->run_until([&] { return pair->server.finished[stream]; }, Duration::seconds(30)));
    pair->server.write(pair->accepted(), stream, std::vector<uint8_t>(size, 2), true);
    ASSERT_TRUE(pair->run_until([&] { return pair->client.finished[stream]; }, Duration::seconds(30)));
    EXPECT_EQ(pair->client.received[stream].size(), size);
  }

  std::optional<TwoEndpoints> pair;
  uint64_t next_stream = 0;
};

TEST_F(Migration, GoesOnFromAnotherAddress) {
  make();
  transfer();
  pair->sent_to_server.clear();
  ASSERT_TRUE(move());
  ASSERT_TRUE(pair->run_until([&] { return pair->server.stats().paths_changed == 1; }));
  EXPECT_EQ(pair->client.stats().paths_changed, 1u);
  // RFC 9000 section 9.3.3: the server asks at the old address too, and is answered from there.
  pair->run_for(Duration::milliseconds(100));
  pair->sent_to_server.clear();
  transfer();
  EXPECT_FALSE(pair->sent_to_server.empty());
  for (const Datagram& datagram : pair->sent_to_server) EXPECT_EQ(datagram.path.remote, kElsewhere);
  EXPECT_EQ(pair->server.stats().path_validations_failed, 0u);
}

// RFC 9000 section 9.5: nobody can tell by an ID that the two paths are one connection's.
// proves RFC 9000 9.5-1 9.5-2
TEST_F(Migration, HasIdsOfItsOwnInBothDirections) {
  make();
  transfer();
  ASSERT_TRUE(move());
  transfer();
  using Ids = std::set<std::vector<uint8_t>>;
  Ids old_to_server, new_to_server, old_to_client, new_to_client;
  for (const Datagram& datagram : pair->sent_to_server) {
    (datagram.path.remote == kElsewhere ? new_to_server : old_to_server).insert(dcid_of(datagram));
  }
  for (const Datagram& datagram : pair->sent_to_client) {
    (datagram.path.local == kElsewhere ? new_to_client : old_to_client).insert(dcid_of(datagram));
  }
  EXPECT_EQ(new_to_server.size(), 1u);
  EXPECT_EQ(new_to_client.size(), 1u);
  for (const auto& id : new_to_server) EXPECT_FALSE(old_to_server.contains(id));
  for (const auto& id : new_to_client) EXPECT_FALSE(old_to_client.contains(id));
}

// Not even where a path was probed only, and did not answer or was left again.
// proves RFC 9000 9.5-1 9.5-2
TEST_F(Migration, NoIdIsEverOfTwoPaths) {
  make();
  // The server's answers to one address are lost; from another the client vanishes right after it went there.
  const SocketAddress deaf{kElsewhere.ip, 45001}, gone{kElsewhere.ip, 45002};
  unsigned from_gone = 0;
  pair->filter = [&](bool to_server, Datagram& datagram) {
    if (to_server) return datagram.path.remote != gone || ++from_gone <= 3;
    return datagram.path.local != deaf && (datagram.path.local != gone || from_gone <= 2);
  };
  std::map<std::vector<uint8_t>, std::set<std::string>> to_server, to_client;
  const auto look = [&] {
    for (const Datagram& datagram : pair->sent_to_server)
      to_server[dcid_of(datagram)].insert(datagram.path.remote.to_string());
    for (const Datagram& datagram : pair->sent_to_client)
      to_client[dcid_of(datagram)].insert(datagram.path.local.to_string());
  };
  for (const SocketAddress& local : {kElsewhere, deaf, SocketAddress{kElsewhere.ip, 45003}}) {
    ASSERT_TRUE(move(local));
    transfer(1'000);
    pair->run_for(Duration::seconds(3));
  }
  EXPECT_EQ(pair->client.stats().path_validations_failed, 1u);
  ASSERT_TRUE(move(gone));
  pair->server.write(pair->accepted(), 1, std::vector<uint8_t>(50'000, 1), true);
  pair->run_for(Duration::seconds(10));
  EXPECT_EQ(pair->server.stats().path_validations_failed, 1u);
  EXPECT_EQ(pair->server.stats().paths_changed, 3u);
  look();
  std::set<std::string> places;
  for (const auto* ids : {&to_server, &to_client}) {
    for (const auto& [id, addresses] : *ids) {
      EXPECT_EQ(addresses.size(), 1u) << *addresses.begin() << " and " << *addresses.rbegin();
      places.insert(addresses.begin(), addresses.end());
    }
  }
  EXPECT_EQ(places.size(), 5u);
}

TEST_F(Migration, StaysWhereTheNewPathIsSilent) {
  make();
  pair->filter = [](bool to_server, Datagram& datagram) { return !to_server || datagram.path.remote != kElsewhere; };
  ASSERT_TRUE(move());
  transfer();
  ASSERT_TRUE(pair->run_until([&] { return pair->client.stats().path_validations_failed == 1; }));
  EXPECT_EQ(pair->client.stats().paths_changed, 0u);
  transfer();
  EXPECT_TRUE(move());
}

TEST_F(Migration, SurvivesTheLossOfItsFirstProbe) {
  make();
  int lost = 0;
  pair->filter = [&](bool to_server, Datagram& datagram) {
    return !to_server || datagram.path.remote != kElsewhere || lost++ > 0;
  };
  ASSERT_TRUE(move());
  ASSERT_TRUE(pair->run_until([&] { return pair->server.stats().paths_changed == 1; }));
}

// RFC 9000 section 9.5: none goes to two addresses, also where the server had but one more and the path that it was for
// came to nothing. The client gives up its own with the path, and the server then asks for another.
// proves RFC 9000 9.5-2
TEST_F(Migration, AServersIdsAreForOnePathEach) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.active_connection_ids = 2;
  make(options);
  transfer();
  const SocketAddress other{kElsewhere.ip, 9'999};
  std::set<std::vector<uint8_t>> to_elsewhere, to_other;
  pair->filter = [&](bool to_server, Datagram& datagram) {
    if (!to_server && datagram.path.local == kElsewhere) to_elsewhere.insert(dcid_of(datagram));
    if (!to_server && datagram.path.local == other) to_other.insert(dcid_of(datagram));
    return to_server || datagram.path.local != kElsewhere;
  };
  ASSERT_TRUE(move());
  ASSERT_TRUE(pair->run_until([&] { return pair->client.stats().path_validations_failed == 1; }));
  transfer();
  ASSERT_TRUE(move(other));
  ASSERT_TRUE(pair->run_until([&] { return pair->server.stats().paths_changed == 1; }));
  transfer();
  EXPECT_EQ(to_elsewhere.size(), 1u);
  EXPECT_EQ(to_other.size(), 1u);
  EXPECT_NE(to_elsewhere, to_other);
}

// Where only a NAT has changed since the probe the client calls the server as it did then, and may be called as before
// as well (RFC 9000 section 9.5), though there is no other ID.
TEST_F(Migration, FollowsAClientWhoseNatHasChangedSinceItsProbe) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.active_connection_ids = 2;
  make(options);
  transfer();
  pair->filter = [&](bool to_server, Datagram& datagram) {
    if (to_server && pair->client.stats().paths_changed == 1) datagram.path.remote.port = 9'999;
    if (!to_server && datagram.path.local.port == 9'999) datagram.path.local = kElsewhere;
    return true;
  };
  ASSERT_TRUE(move());
  ASSERT_TRUE(pair->run_until([&] { return pair->client.stats().paths_changed == 1; }));
  transfer();
  EXPECT_EQ(pair->server.stats().paths_changed, 1u);
}

// RFC 9000 section 18.2.
// proves RFC 9000 9-2 18.2-3
TEST_F(Migration, IsNotTriedWhereTheServerForbidsIt) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.disable_active_migration = true;
  make(options);
  EXPECT_FALSE(move());
}

TEST_F(Migration, IsOneAtATimeAndTheClientsAlone) {
  make();
  ASSERT_TRUE(move());
  EXPECT_FALSE(move({kElsewhere.ip, 41001}));
  EXPECT_FALSE(pair->server.endpoint().move(pair->accepted(), kElsewhere, pair->now));
  EXPECT_FALSE(pair->client.endpoint().move({99, 1}, kElsewhere, pair->now));
}

// proves RFC 9000 9-1
TEST_F(Migration, WaitsForTheHandshake) {
  pair.emplace();
  const ConnectionHandle handle = pair->connect();
  EXPECT_FALSE(pair->client.endpoint().move(handle, kElsewhere, pair->now));
}

TEST_F(Migration, GoesOnAsOftenAsThereAreIds) {
  make();
  for (uint16_t i = 0; i < 12; ++i) {
    ASSERT_TRUE(move({kElsewhere.ip, static_cast<uint16_t>(42000 + i)})) << i;
    ASSERT_TRUE(pair->run_until([&] { return pair->server.stats().paths_changed == i + 1u; })) << i;
    transfer(1'000);
  }
}

// RFC 9000 section 9.6.
// proves RFC 9000 9.6.2-1 18.2-5
TEST_F(Migration, FollowsTheServersPreference) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.preferred_v4 = kPreferred;
  make(options);
  EXPECT_EQ(pair->server.stats().paths_changed, 1u);
  EXPECT_EQ(pair->client.stats().paths_changed, 1u);
  transfer();
  ASSERT_FALSE(pair->sent_to_server.empty());
  for (const Datagram& datagram : pair->sent_to_server) EXPECT_EQ(datagram.path.local, kPreferred);
  for (const Datagram& datagram : pair->sent_to_client) EXPECT_EQ(datagram.path.remote, kPreferred);
}

// proves RFC 9000 9.6.1-3 21.5.3-1
TEST_F(Migration, StaysWhereThePreferredAddressIsSilent) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.preferred_v4 = kPreferred;
  pair.emplace(options);
  pair->filter = [](bool to_server, Datagram& datagram) { return !to_server || datagram.path.local != kPreferred; };
  ASSERT_TRUE(pair->handshake());
  ASSERT_TRUE(pair->run_until([&] { return pair->client.stats().path_validations_failed == 1; }));
  transfer();
  EXPECT_EQ(pair->client.stats().paths_changed, 0u);
}

// A client that hears nothing from there: what is more than a probe still comes from the address that it began with.
// proves RFC 9000 9.6.2-2 9.6.2-3
TEST_F(Migration, AServerStaysUntilItsPreferredAddressHasAnswered) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.preferred_v4 = kPreferred;
  pair.emplace(options);
  pair->filter = [&](bool to_server, Datagram& datagram) {
    return to_server || datagram.path.remote != kPreferred || pair->client.stats().paths_changed == 0;
  };
  ASSERT_TRUE(pair->handshake());
  ASSERT_TRUE(pair->run_until([&] { return pair->client.stats().paths_changed == 1; }));
  std::deque<bool> are_probes;  // of the datagrams on their way to the filter
  pair->server.set_tamper([&](MutableBytes, MutableBytes payload) {
    bool is_probe = true;
    Frame frame;
    ByteReader reader(payload);
    while (!reader.empty() && !parse_frame(reader, PacketType::kOneRtt, Role::kServer, frame))
      is_probe &= is_probing(frame.type);
    are_probes.push_back(is_probe);
  });
  size_t lost = 0;
  pair->filter = [&](bool to_server, Datagram& datagram) {
    if (to_server) return true;
    const bool is_probe = are_probes.front();
    are_probes.pop_front();
    if (datagram.path.remote != kPreferred) return true;
    EXPECT_TRUE(is_probe);
    ++lost;
    return false;
  };
  transfer();
  ASSERT_TRUE(pair->run_until([&] { return pair->server.stats().path_validations_failed == 1; }));
  EXPECT_GT(lost, 0u);
  EXPECT_EQ(pair->server.stats().paths_changed, 0u);
  transfer();
}

// Somebody in between shows the client's packets to the preferred address as coming from elsewhere.
// proves RFC 9000 9.6.3-3
TEST_F(Migration, NobodyElseLeadsAServerToItsPreferredAddress) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.preferred_v4 = kPreferred;
  pair.emplace(options);
  size_t received = 0, sent = 0;
  pair->filter = [&](bool to_server, Datagram& datagram) {
    if (to_server && datagram.path.local == kPreferred && pair->client.stats().paths_changed > 0) {
      datagram.path.remote = kElsewhere;
      received += datagram.bytes.size();
    }
    if (to_server || datagram.path.local != kElsewhere) return true;
    sent += datagram.bytes.size();
    EXPECT_LE(sent, 3 * received);
    return false;
  };
  ASSERT_TRUE(pair->handshake());
  ASSERT_TRUE(pair->run_until([&] { return pair->client.stats().paths_changed == 1; }));
  transfer();
  ASSERT_TRUE(pair->run_until([&] { return pair->server.stats().path_validations_failed > 0; }));
  EXPECT_EQ(pair->server.stats().paths_changed, 0u);
  EXPECT_GT(sent, 0u);
  transfer();
}

// Between the client's probe and its first packet a NAT has changed its address, and it has given no other ID to answer
// there with: it is the same client, called by the same ID.
TEST_F(Migration, FollowsAClientToThePreferredAddressThoughItsNatHasChanged) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.preferred_v4 = kPreferred;
  options.client.active_connection_ids = 2;
  pair.emplace(options);
  pair->filter = [&](bool to_server, Datagram& datagram) {
    SocketAddress& client = to_server ? datagram.path.remote : datagram.path.local;
    if (pair->client.stats().paths_changed == 0) return true;
    if (to_server) return client = kElsewhere, true;
    const bool is_known = client == kElsewhere;  // the old address leads nowhere
    client = pair->client_path.local;
    return is_known;
  };
  ASSERT_TRUE(pair->handshake());
  ASSERT_TRUE(pair->run_until([&] { return pair->client.stats().paths_changed == 1; }));
  transfer();
  EXPECT_EQ(pair->server.stats().paths_changed, 1u);
}

// A move of its own waits for the preferred address, and that counts more.
// proves RFC 9000 9.6.3-2
TEST_F(Migration, ThePreferredAddressComesFirst) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.preferred_v4 = kPreferred;
  pair.emplace(options);
  pair->connect();
  bool is_tried = false;
  pair->filter = [&](bool to_server, Datagram& datagram) {
    is_tried |= to_server && datagram.path.local == kPreferred;
    return true;
  };
  ASSERT_TRUE(pair->run_until([&] { return is_tried; }));
  EXPECT_FALSE(move());
  ASSERT_TRUE(pair->run_until([&] { return pair->client.stats().paths_changed == 1; }));
  pair->record = true;
  transfer(1'000);
  for (const Datagram& datagram : pair->sent_to_server) EXPECT_EQ(datagram.path.local, kPreferred);
  EXPECT_TRUE(move());
  ASSERT_TRUE(pair->run_until([&] { return pair->client.stats().paths_changed == 2; }));
}

TEST_F(Migration, FollowsNoPreferenceOfAnotherFamilyOrWhereItIsOff) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.preferred_v6 = {*IpAddress::parse("2001:db8::1"), 443};
  make(options);
  transfer();
  EXPECT_EQ(pair->client.stats().paths_changed, 0u);
  options.server.preferred_v4 = kPreferred;
  options.client.follow_preferred_address = false;
  make(options);
  next_stream = 0;
  transfer();
  EXPECT_EQ(pair->client.stats().paths_changed, 0u);
}

// A server that forbids moving may still ask for it.
TEST_F(Migration, FollowsAPreferenceThoughMovingIsForbidden) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.preferred_v4 = kPreferred;
  options.server.disable_active_migration = true;
  make(options);
  EXPECT_EQ(pair->client.stats().paths_changed, 1u);
  EXPECT_TRUE(move());
}

// --- floods ---

// RFC 9000 section 21.9's kind: each challenge is worth an answer, and no more than a few wait at a time.
TEST_F(Migration, AnswersOnlySomeOfManyChallenges) {
  make();
  std::vector<uint8_t> frames;
  for (uint8_t i = 0; i < 40; ++i) {
    frames.push_back(0x1a);
    frames.insert(frames.end(), 8, i);
  }
  pair->sent_to_client.clear();
  pair->client.say_next(frames);
  pair->client.write(pair->client.opened[0], 0, std::vector<uint8_t>(600), true);
  pair->run_for(Duration::milliseconds(100));
  size_t full = 0;
  for (const Datagram& datagram : pair->sent_to_client) full += datagram.bytes.size() >= kMinInitialDatagram;
  EXPECT_EQ(full, PathResponses::kMax);
}

// RFC 9000 section 5.1.2: who makes us owe more RETIRE_CONNECTION_ID frames than we keep is refused.
TEST_F(Migration, EndsWithAPeerThatChangesItsIdsWithoutEnd) {
  make();
  std::vector<uint8_t> frames;
  for (uint8_t i = 0; i < 38; ++i) {
    const uint8_t sequence = static_cast<uint8_t>(10 + i);
    frames.insert(frames.end(), {0x18, sequence, sequence, 4, 9, 9, 9, sequence});
    frames.insert(frames.end(), 16, sequence);
  }
  pair->client.say_next(frames);
  pair->client.write(pair->client.opened[0], 0, std::vector<uint8_t>(1'100), true);
  ASSERT_TRUE(pair->run_until([&] { return pair->server.saw(EventType::kClosed); }));
  EXPECT_EQ(pair->server.find(EventType::kClosed)->error, 0x09u);
}

// --- keys (RFC 9001 section 6) ---

TEST_F(Migration, NewKeysWhenAskedFor) {
  make();
  transfer();
  for (uint64_t i = 1; i <= 3; ++i) {
    pair->client.command({.type = CommandType::kUpdateKeys, .connection = pair->client.opened[0]});
    transfer();
    EXPECT_EQ(pair->server.stats().key_updates, i);
  }
  pair->server.command({.type = CommandType::kUpdateKeys, .connection = pair->accepted()});
  transfer();
  // Ours come back to us as the answer's phase, and so does each answer to the other side.
  EXPECT_GE(pair->client.stats().key_updates, 1u);
}

TEST_F(Migration, NewKeysAfterSoManyPackets) {
  PairOptions options{.client = small_config(), .server = small_config()};
  options.server.key_update_after = 50;
  make(options);
  transfer(2'000'000);
  EXPECT_GE(pair->client.stats().key_updates, 5u);
}

}  // namespace
}  // namespace viaduct::quic::test
