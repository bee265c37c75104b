// A server of HTTP/3 without a network, which answers as it is told.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/http3/server.h"
#include "base/random.h"
#include "base/slab.h"
#include "crypto-offload/packet_protector.h"
#include "crypto-offload/tls_session.h"
#include "engine/endpoint/endpoint.h"
#include "flowsteer/connection_id_codec.h"
#include "flowsteer/shard_map.h"
#include "tests/support/fake_port.h"

namespace viaduct::lb::test {

// A certificate for web.example of an authority of its own, gone with the object.
struct Certificate {
  Certificate() {
    std::filesystem::create_directories(folder);
    std::string error;
    EXPECT_TRUE(crypto::make_self_signed("web.example", file, key, error)) << error;
  }
  ~Certificate() { std::filesystem::remove_all(folder); }

  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("viaduct-web-server-" + std::to_string(getpid()));
  const std::string file = folder / "certificate.pem", key = folder / "key.pem";
};

class WebServer : public http3::Application {
 public:
  explicit WebServer(const Certificate& certificate, std::vector<std::string> alpn = {"h3"}) {
    std::string error;
    tls_ = crypto::make_tls_server(
        {.certificate_file = certificate.file, .private_key_file = certificate.key, .alpn = std::move(alpn)}, error);
    EXPECT_TRUE(tls_) << error;
    endpoint_ = std::make_unique<quic::Endpoint>(
        quic::EndpointConfig{.max_connections = 16, .max_half_open = 16, .max_streams = 512, .max_sent_packets = 512},
        quic::EndpointServices{.protector = *protector_,
                               .tls_server = tls_.get(),
                               .connection_ids = ids_,
                               .shards = shards_,
                               .random = random_});
    server_ = std::make_unique<http3::Server>(http3::ServerLimits{.max_connections = 16, .max_requests = 64},
                                              endpoint_->channel(), chunks_, *this);
  }
  ~WebServer() override {
    endpoint_->shut_down(now_);
    run();
  }

  struct Sent {
    Path path;
    std::vector<uint8_t> bytes;
  };
  // What it says to a datagram, and meanwhile.
  std::vector<Sent> answer(const Path& way, Bytes datagram, Instant now) {
    now_ = now;
    Packet* packet = pool_.take();
    packet->path = way;
    packet->length = static_cast<uint16_t>(datagram.size());
    std::ranges::copy(datagram, packet->data());
    endpoint_->ingest({&packet, 1}, now);
    return run();
  }

  uint16_t status = 200;
  bool answers = true;             // requests; handshakes always
  std::string host, path, method;  // of the last request

 private:
  std::vector<Sent> run() {
    std::vector<Sent> sent;
    for (int round = 0; round < 8; ++round) {
      endpoint_->step(now_);
      pool_.give_back(endpoint_->released());
      server_->step(now_);
      endpoint_->step(now_);
      pool_.give_back(endpoint_->released());
      Packet* burst[8];
      const size_t room = pool_.take(burst);
      const size_t built = endpoint_->build({burst, room}, now_);
      for (Packet* out : std::span(burst).first(built))
        sent.push_back({out->path, {out->bytes().begin(), out->bytes().end()}});
      pool_.give_back({burst, room});
    }
    return sent;
  }
  void on_request(http3::RequestId id, const http3::RequestHead& head) override {
    host = head.authority;
    path = head.path;
    method = head.method;
    static constexpr uint8_t kBody[] = {'o', 'k'};
    if (answers) server_->respond(id, status, {}, sizeof kBody, kBody);
  }
  void on_writable(http3::RequestId) override {}
  void on_gone(http3::RequestId) override {}

  Random random_ = Random::from_seed(9);
  flowsteer::ConnectionIdCodec ids_{std::nullopt, SipKey{1}, 0, 1, random_};
  flowsteer::ShardMap shards_{SipKey{1}, 1, ids_.length()};
  std::unique_ptr<crypto::PacketProtector> protector_ = crypto::make_protector("", {.schedules = 64});
  viaduct::test::FakePool pool_{64};
  ChunkPool chunks_{256, 1024};
  std::unique_ptr<crypto::TlsContext> tls_;
  std::unique_ptr<quic::Endpoint> endpoint_;
  std::unique_ptr<http3::Server> server_;
  Instant now_;
};

}  // namespace viaduct::lb::test
