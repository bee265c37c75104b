// A TLS client and a TLS server joined in memory, and what each of them said.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/temporary_folder.h"
#include "crypto-offload/hkdf.h"
#include "crypto-offload/tls_session.h"

namespace viaduct::crypto {

inline Bytes bytes_of(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string text_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

inline void write_text(const std::string& file, const std::string& text) { std::ofstream(file) << text; }
inline std::string read_text(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// One side and all that it said.
struct TlsSide {
  std::unique_ptr<TlsSession> session;
  std::array<std::vector<uint8_t>, kEncryptionLevels> sent;  // in all, by level
  std::array<size_t, kEncryptionLevels> delivered{};         // of those, to the other side
  std::map<std::pair<EncryptionLevel, Direction>, TlsMessage> secrets;
  std::map<std::pair<EncryptionLevel, Direction>, Secret> secret_bytes;
  std::string transport_parameters;
  std::optional<std::string> alpn;  // once complete
  std::vector<uint8_t> alerts;
  bool violation = false;  // the other side broke a rule of QUIC's
  bool is_resumed = false;
  std::vector<std::vector<uint8_t>> tickets;
  bool early_data_rejected = false;

  void collect() {
    TlsMessage message;
    while (session->poll(message)) {
      const size_t level = static_cast<size_t>(message.level);
      switch (message.type) {
        case TlsMessage::Type::kCrypto:
          sent[level].insert(sent[level].end(), message.bytes.begin(), message.bytes.end());
          break;
        case TlsMessage::Type::kSecret:
          secrets[{message.level, message.direction}] = message;
          secret_bytes[{message.level, message.direction}] = Secret(message.bytes);
          break;
        case TlsMessage::Type::kTransportParameters:
          transport_parameters = text_of(message.bytes);
          break;
        case TlsMessage::Type::kAlert:
          alerts.push_back(message.alert);
          break;
        case TlsMessage::Type::kComplete:
          EXPECT_FALSE(alpn.has_value()) << "completed twice";
          is_resumed = message.is_resumed;
          alpn = text_of(message.bytes);
          break;
        case TlsMessage::Type::kProtocolViolation:
          violation = true;
          break;
        case TlsMessage::Type::kTicket:
          tickets.emplace_back(message.bytes.begin(), message.bytes.end());
          break;
        case TlsMessage::Type::kEarlyDataRejected:
          early_data_rejected = true;
          break;
      }
    }
  }

  // Hands what was not yet delivered to `other`, `piece` bytes at a time. True if there was any.
  bool deliver_to(TlsSide& other, size_t piece) {
    bool any = false;
    for (size_t level = 0; level < kEncryptionLevels; ++level) {
      while (delivered[level] < sent[level].size() && other.alerts.empty() && !other.violation) {
        const size_t size = std::min(piece, sent[level].size() - delivered[level]);
        other.session->provide(static_cast<EncryptionLevel>(level), Bytes(sent[level]).subspan(delivered[level], size));
        other.collect();
        delivered[level] += size;
        any = true;
      }
    }
    return any;
  }

  bool is_complete() const { return alpn.has_value() && alerts.empty() && !violation; }
};

struct TlsPair {
  TlsSide client;
  TlsSide server;

  // Until neither has anything to say.
  void run(size_t piece = 1 << 20) {
    client.session->start();
    client.collect();
    while (client.deliver_to(server, piece) || server.deliver_to(client, piece)) {
    }
  }
};

}  // namespace viaduct::crypto
