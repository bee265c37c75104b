// Two endpoints with OpenSSL's TLS, whose client has met the server before and may speak with its first flight.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/engine/endpoint/two_endpoints.h"
#include "tests/simulation/real_tls.h"

namespace viaduct::quic::test {

inline std::vector<uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

class EarlyData : public ::testing::Test {
 protected:
  void make(PairOptions options = {.client = small_config(), .server = small_config()}) {
    client_tls = sim::make_real_tls_client({.early_data = true});
    server_tls = sim::make_real_tls_server({.early_data = true, .early_data_context = "as ever"});
    options.real_client = client_tls.get();
    options.real_server = server_tls.get();
    pair.emplace(options);
  }
  // The same client meets a server that is configured otherwise.
  void make_again(PairOptions options) {
    options.real_client = client_tls.get();
    options.real_server = server_tls.get();
    const ServerMemory memory = pair->memory;
    pair.emplace(options);
    pair->memory = memory;
  }
  // A first connection, for its ticket.
  void meet() {
    const ConnectionHandle handle = pair->connect_and_open();
    pair->run_for(Duration::milliseconds(200));
    EXPECT_EQ(pair->memory.servers(), 1u);
    pair->client.command({.type = CommandType::kClose, .connection = handle});
    pair->run_for(Duration::seconds(1));
    pair->client.events.clear();
    pair->server.events.clear();
    pair->client.opened.clear();
    pair->server.opened.clear();
  }
  // A second one that asks at once.
  ConnectionHandle ask(std::string_view text, uint64_t stream = 0) {
    const ConnectionHandle handle = pair->connect();
    pair->client.write(handle, stream, bytes_of(text), true);
    return handle;
  }
  // The client's first datagrams, which do not arrive: those that begin with an Initial, and those of 0-RTT alone.
  struct Flight {
    std::vector<Datagram> initial, early;
  };
  Flight hold_flight(size_t size) {
    Flight flight;
    const auto held = [&] { return flight.initial.size() + flight.early.size(); };
    pair->filter = [&](bool to_server, Datagram& datagram) {
      if (!to_server || held() == size) return true;
      ((datagram.bytes[0] & 0xf0) == 0xd0 ? flight.early : flight.initial).push_back(datagram);
      return false;
    };
    EXPECT_TRUE(pair->run_until([&] { return held() == size; }));
    pair->filter = nullptr;
    return flight;
  }
  bool completed() { return pair->client.saw(EventType::kCompleted) && pair->server.saw(EventType::kCompleted); }

  std::unique_ptr<crypto::TlsContext> client_tls, server_tls;
  std::optional<TwoEndpoints> pair;
};

}  // namespace viaduct::quic::test
