// What a worker and a handshake worker say to each other about TLS sessions, and the rings they say it through.
#pragma once

#include <openssl/crypto.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

#include "base/spsc_ring.h"
#include "crypto-offload/tls_session.h"

namespace viaduct::crypto {

inline constexpr uint8_t kInternalErrorAlert = 80;  // RFC 8446 section 6

// Bytes that change their owner with the message that they are in: whoever holds it last calls drop().
struct Parcel {
  uint8_t* data = nullptr;
  size_t size = 0;

  static Parcel of(Bytes bytes) {
    if (bytes.empty()) return {};
    auto* copy = new uint8_t[bytes.size()];
    std::memcpy(copy, bytes.data(), bytes.size());
    return {copy, bytes.size()};
  }
  Bytes bytes() const { return {data, size}; }
  // Wiped, because it may be a secret.
  void drop() {
    if (data != nullptr) OPENSSL_cleanse(data, size);
    delete[] data;
    *this = {};
  }
};

// Each kAccept, kConnect and kProvide is answered with what the session said and then kDone, each kDrop with kDropped.
// A session has one of the former under way at a time, so that two requests for each slot are the most there can be.
struct HandshakeRequest {
  enum class Type : uint8_t { kAccept, kConnect, kProvide, kDrop, kCertificates };
  Type type = Type::kAccept;
  EncryptionLevel level = EncryptionLevel::kInitial;
  uint32_t slot = 0;
  Parcel
      parcel;  // kAccept: parameters; kConnect: name, parameters and session, with the sizes of the first two in front
  const std::shared_ptr<const CertificateStore>* certificates = nullptr;  // owned; the receiver deletes it
};

struct HandshakeReply {
  enum class Type : uint8_t { kMessage, kDone, kDropped };
  Type type = Type::kMessage;
  uint32_t slot = 0;
  TlsMessage message;  // its bytes are the parcel's
  Parcel parcel;
};

// What a handshake worker waits for.
class HandshakeBell {
 public:
  void ring() {
    count_.fetch_add(1, std::memory_order_release);
    count_.notify_one();
  }
  // Read before looking for work; wait() then returns at once where the bell rang since.
  uint32_t count() const { return count_.load(std::memory_order_acquire); }
  void wait(uint32_t seen) const { count_.wait(seen, std::memory_order_acquire); }

 private:
  std::atomic<uint32_t> count_{0};
};

// Between one worker and one handshake worker. Each ring has one producer and one consumer.
struct HandshakeLink {
  static constexpr size_t kSpareRequests = 8;  // beyond those of sessions: certificates

  HandshakeLink(size_t sessions, HandshakeBell& handshake_bell)
      : slots(sessions), requests(2 * sessions + kSpareRequests), replies(4 * sessions), bell(handshake_bell) {}
  // After both threads have ended.
  ~HandshakeLink() {
    HandshakeRequest request;
    while (requests.pop(request)) {
      request.parcel.drop();
      delete request.certificates;
    }
    HandshakeReply reply;
    while (replies.pop(reply)) reply.parcel.drop();
  }
  HandshakeLink(const HandshakeLink&) = delete;
  HandshakeLink& operator=(const HandshakeLink&) = delete;

  const size_t slots;
  SpscRing<HandshakeRequest> requests;
  SpscRing<HandshakeReply> replies;
  HandshakeBell& bell;
};

}  // namespace viaduct::crypto
