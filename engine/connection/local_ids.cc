#include "engine/connection/local_ids.h"

#include <algorithm>

namespace viaduct::quic {

void LocalIds::start(const flowsteer::ConnectionId& id) {
  ids_[0] = {id, 0, false};
  count_ = 1;
  next_sequence_ = 1;
}

// meets RFC 9000 5.1.1-4
void LocalIds::set_target(uint64_t peer_limit, uint64_t own_limit) {
  target_ = static_cast<uint8_t>(std::min<uint64_t>({peer_limit, own_limit, kMax}));
}

// meets RFC 9000 5.1.1-1
void LocalIds::add(const flowsteer::ConnectionId& id) {
  if (count_ < kMax) ids_[count_++] = {id, next_sequence_++, true};
}

void LocalIds::add_told(const flowsteer::ConnectionId& id) {
  add(id);
  ids_[count_ - 1].announce = false;
}

uint64_t LocalIds::sequence_of(Bytes id) const {
  const Id* found = std::find_if(begin(), end(), [id](const Id& known) { return equal(known.id.bytes(), id); });
  return found == end() ? kNone : found->sequence;
}

// meets RFC 9000 5.1.1-2 5.1.2-2 19.16-1 19.16-2
TransportError LocalIds::on_retire(uint64_t sequence, Bytes used, std::optional<flowsteer::ConnectionId>& retired) {
  if (sequence >= next_sequence_) {
    return {ErrorCode::kProtocolViolation, 0x19, "retired a connection ID that was never issued"};
  }
  Id* const last = ids_.data() + count_;
  Id* const found = std::find_if(ids_.data(), last, [sequence](const Id& id) { return id.sequence == sequence; });
  if (found == last) return {};
  if (equal(found->id.bytes(), used)) {
    return {ErrorCode::kProtocolViolation, 0x19, "retired the connection ID of the packet that says so"};
  }
  retired = found->id;
  std::move(found + 1, last, found);
  --count_;
  return {};
}

bool LocalIds::has_announcement() const {
  return std::any_of(begin(), end(), [](const Id& id) { return id.announce; });
}

LocalIds::Id* LocalIds::next_to_announce() {
  for (size_t i = 0; i < count_; ++i) {
    if (ids_[i].announce) return &ids_[i];
  }
  return nullptr;
}

void LocalIds::on_announcement_lost(uint64_t sequence) {
  for (size_t i = 0; i < count_; ++i) {
    if (ids_[i].sequence == sequence) ids_[i].announce = true;
  }
}

}  // namespace viaduct::quic
