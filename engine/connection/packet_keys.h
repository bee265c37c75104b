// The packet protection keys of one connection: those of a handshake level, and the phases of 1-RTT.
#pragma once

#include <cstdint>
#include <memory>

#include "base/instant.h"
#include "crypto-offload/aead_limits.h"
#include "crypto-offload/key_schedule.h"
#include "crypto-offload/packet_protector.h"
#include "crypto-offload/tls_session.h"
#include "engine/wire/role.h"

namespace viaduct::quic {

// Initial or Handshake: installed once per direction, discarded together (RFC 9001 section 4.9).
struct LevelKeys {
  std::unique_ptr<crypto::PacketKey> read;
  std::unique_ptr<crypto::HeaderKey> read_header;
  std::unique_ptr<crypto::PacketKey> write;
  std::unique_ptr<crypto::HeaderKey> write_header;

  void install(crypto::Direction direction, const crypto::RawKeys& keys, crypto::PacketProtector& protector);
  void discard() { *this = {}; }
  bool can_read() const { return read != nullptr; }
  bool can_write() const { return write != nullptr; }
};

// Those of Initial packets, made from the destination connection ID of the client's first one (RFC 9001 section 5.2).
LevelKeys initial_keys(Role role, uint32_t version, Bytes dcid, crypto::PacketProtector& protector);

// 1-RTT keys and their updates (RFC 9001 section 6). The next phase's keys for reading exist before they are needed,
// so that a packet that begins it takes no longer than others (section 9.5).
class OneRttKeys {
 public:
  enum class Phase : uint8_t { kPrevious, kCurrent, kNext };

  void install(crypto::Direction direction, uint32_t version, crypto::Aead aead, Bytes secret,
               crypto::PacketProtector& protector);

  bool can_read() const { return read_.key != nullptr; }
  bool can_write() const { return write_.key != nullptr; }
  const crypto::HeaderKey* read_header() const { return read_.header.get(); }
  const crypto::HeaderKey* write_header() const { return write_.header.get(); }

  // Which phase a packet belongs to, by its phase bit and number.
  Phase phase_of(bool bit, uint64_t number, Instant now) const;
  const crypto::PacketKey* read_key(Phase phase) const;
  // A packet of the phase was authentic. True if it began a new phase; then our own packets are in that phase from
  // now on too, and the old keys go at `keep_previous_until`.
  bool on_opened(Phase phase, uint64_t number, Instant keep_previous_until, crypto::PacketProtector& protector);

  const crypto::PacketKey* write_key() const { return write_.key.get(); }
  bool write_phase() const { return write_.phase; }
  // The next packet to be sealed has this number. Begins an update where the key has sealed as much as it should and
  // may_update holds (the handshake is confirmed); false where it may seal no more at all (RFC 9001 section 6.6).
  bool before_seal(uint64_t number, uint64_t largest_acked, bool may_update, crypto::PacketProtector& protector);
  // A tag did not match. False where the connection has seen too many (section 6.6).
  bool on_open_failed();
  // Our own keys are updated after so many packets.
  void set_update_interval(uint64_t packets) { update_after_ = packets; }
  // Or as soon as may be.
  void ask_for_update() { update_asked_ = true; }

  void drop_previous(Instant now);

 private:
  struct Half {
    crypto::Secret secret;  // of the phase of `key`; for reading, of `next`
    std::unique_ptr<crypto::PacketKey> key;
    std::unique_ptr<crypto::HeaderKey> header;
    bool phase = false;
  };
  std::unique_ptr<crypto::PacketKey> make_next(const Half& half, crypto::PacketProtector& protector) const;
  void advance_read(crypto::PacketProtector& protector);
  void advance_write(crypto::PacketProtector& protector);

  Half read_;
  Half write_;
  std::unique_ptr<crypto::PacketKey> previous_read_;
  std::unique_ptr<crypto::PacketKey> next_read_;
  std::unique_ptr<crypto::PacketKey> previous_write_;  // packets of the present burst may wait for it
  Instant previous_until_;
  uint64_t lowest_in_phase_ = 0;      // the lowest number received in the current phase
  uint64_t first_sent_in_phase_ = 0;  // by us
  uint64_t sealed_ = 0;               // with the present key
  crypto::AeadLimits limits_{crypto::Aead::kAes128Gcm};
  uint64_t update_after_ = uint64_t{1} << 22;
  uint32_t version_ = 0;
  bool update_asked_ = false;
};

}  // namespace viaduct::quic
