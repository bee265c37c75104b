// TLS sessions whose work a handshake worker does: the side of the worker that owns their connections.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/pool_use.h"
#include "crypto-offload/handshake_link.h"
#include "crypto-offload/tls_session.h"

namespace viaduct::crypto {

class RemoteTlsSession;

// One worker's. Its sessions go before it.
class RemoteTlsContext final : public TlsContext {
 public:
  // links: of this worker, to each handshake worker; they outlive the context. At most `capacity` sessions at a time.
  RemoteTlsContext(std::vector<HandshakeLink*> links, size_t capacity);

  // Null where there is no room for another session.
  std::unique_ptr<TlsSession> accept(Bytes transport_parameters) override;
  std::unique_ptr<TlsSession> connect(const std::string& server_name, Bytes transport_parameters,
                                      Bytes session) override;
  void use_certificates(std::shared_ptr<const CertificateStore> certificates) override;
  size_t ready(std::span<uint64_t> owners) override;
  bool has_ready() const override;

  // Requests that were not yet answered.
  size_t under_way() const { return under_way_; }

  // Any thread.
  const PoolUse& use() const { return use_; }

 private:
  friend class RemoteTlsSession;

  // A slot is free again once the handshake worker has dropped what it had in it.
  struct Line {
    HandshakeLink* link;
    std::vector<RemoteTlsSession*> sessions;  // by slot; null: free, or going
    std::vector<uint32_t> free_slots;
    bool certificates_due = false;
  };

  std::unique_ptr<TlsSession> open(HandshakeRequest::Type type, Bytes bytes);
  void receive(Line& line);
  void send(Line& line, const HandshakeRequest& request);
  void send_certificates(Line& line);
  void forget(RemoteTlsSession& session);

  std::vector<Line> lines_;
  std::vector<RemoteTlsSession*> ready_;
  std::shared_ptr<const CertificateStore> certificates_;
  const size_t capacity_;
  size_t under_way_ = 0;
  PoolUse use_;
};

class RemoteTlsSession final : public TlsSession {
 public:
  // What a peer may send ahead of a handshake worker that lags: more than any handshake has. Beyond it, an alert.
  static constexpr size_t kMaxPending = 128 << 10;

  RemoteTlsSession(RemoteTlsContext& context, size_t line, uint32_t slot)
      : context_(context), line_(line), slot_(slot) {}
  ~RemoteTlsSession() override;
  RemoteTlsSession(const RemoteTlsSession&) = delete;
  RemoteTlsSession& operator=(const RemoteTlsSession&) = delete;

  void start() override {}  // the handshake worker starts what it makes
  void provide(EncryptionLevel level, Bytes bytes) override;
  bool poll(TlsMessage& message) override;
  void set_owner(uint64_t owner) override { owner_ = owner; }

 private:
  friend class RemoteTlsContext;

  void take(const HandshakeReply& reply);
  void send(EncryptionLevel level, Bytes bytes);
  void fail();

  RemoteTlsContext& context_;
  const size_t line_;
  const uint32_t slot_;
  uint64_t owner_ = 0;
  bool busy_ = true;  // the handshake worker has a request of ours
  bool failed_ = false;
  bool is_ready_ = false;  // in the context's list
  std::deque<std::pair<EncryptionLevel, std::vector<uint8_t>>> pending_;
  size_t pending_bytes_ = 0;
  std::deque<HandshakeReply> inbox_;
  Parcel polled_;
};

}  // namespace viaduct::crypto
