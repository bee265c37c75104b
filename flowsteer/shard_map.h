// Which worker a packet belongs to, read from its destination connection ID.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/random.h"
#include "base/siphash.h"

namespace viaduct::flowsteer {

// Divides the 256 values of the shard octet, the last one of our connection IDs, among the workers, by a secret. So
// software reads the owner from a table, a NIC can match exact values, and an observer cannot group connections.
// All workers have equal maps: same secret, same number of workers, same length. Immutable.
// meets RFC 9000 5.2.3-2 21.11-1 21.11-2
class ShardMap {
 public:
  static constexpr unsigned kMaxWorkers = 64;
  static constexpr size_t kOctets = 256;

  // workers: 1..64. id_length: bytes of the connection IDs that we mint, 1..20.
  ShardMap(const SipKey& secret, unsigned workers, size_t id_length);

  unsigned workers() const { return workers_; }
  size_t id_length() const { return id_length_; }

  // An ID of our length is read by its last octet, whoever chose it; any other is hashed. So a client's first packet
  // and its repetitions meet the same worker, and so do all packets with an ID that we minted.
  unsigned owner_of(Bytes dcid) const {
    if (dcid.size() == id_length_) return owners_[dcid.back()];
    return static_cast<unsigned>(siphash(secret_, dcid) % workers_);
  }
  // The same for a received datagram. One that ends before its header does goes to any worker, always the same one.
  unsigned owner_of_datagram(Bytes datagram) const;

  // One of the worker's octets, drawn at random. worker < workers().
  uint8_t octet_for(unsigned worker, Random& random) const;
  // All of them: at least kOctets / workers(), rounded down.
  std::span<const uint8_t> octets_of(unsigned worker) const {
    return std::span(octets_).subspan(first_[worker], first_[worker + 1] - first_[worker]);
  }

 private:
  SipKey secret_;
  unsigned workers_;
  size_t id_length_;
  std::array<uint8_t, kOctets> owners_;            // by octet
  std::array<uint8_t, kOctets> octets_;            // grouped by worker
  std::array<uint16_t, kMaxWorkers + 1> first_{};  // of a worker's group in octets_
};

}  // namespace viaduct::flowsteer
