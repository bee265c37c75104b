#include "engine/connection/remote_ids.h"

#include <algorithm>

namespace viaduct::quic {
namespace {

constexpr uint64_t kNewConnectionId = 0x18;

TransportError violation(std::string_view reason) { return {ErrorCode::kProtocolViolation, kNewConnectionId, reason}; }

}  // namespace

void RemoteIds::start(const flowsteer::ConnectionId& id) {
  ids_[0] = {id, false, 0, {}};
  count_ = 1;
  current_ = 0;
}

void RemoteIds::set_first_token(const StatelessResetToken& token) {
  for (size_t i = 0; i < count_; ++i) {
    if (ids_[i].sequence == 0) ids_[i].token = token, ids_[i].has_token = true;
  }
}

TransportError RemoteIds::on_new_id(uint64_t sequence, uint64_t retire_prior_to_sequence, Bytes id,
                                    const StatelessResetToken& token) {
  // meets RFC 9000 19.15-3
  // RFC 9000 section 19.15: a peer that asked for no connection ID of ours to be sent to it cannot change one.
  if (count_ > 0 && ids_[current_].id.empty()) return violation("NEW_CONNECTION_ID from a peer without one");
  for (size_t i = 0; i < count_; ++i) {
    const bool same_id = equal(ids_[i].id.bytes(), id);
    if (same_id != (ids_[i].sequence == sequence)) return violation("connection ID and sequence do not agree");
    if (same_id && ids_[i].has_token && ids_[i].token != token) return violation("another token for the same ID");
    // meets RFC 9000 19.15-4
    if (same_id) return retire_prior_to(retire_prior_to_sequence);
  }
  // meets RFC 9000 19.15-8
  if (sequence < retired_prior_to_) {
    return retire(sequence) ? TransportError{}
                            : TransportError{ErrorCode::kConnectionIdLimitError, kNewConnectionId, "too many retired"};
  }
  // Retire first, then count (section 5.1.1). The new ID goes in before, so that there is one to change to.
  if (count_ == ids_.size()) return {ErrorCode::kConnectionIdLimitError, kNewConnectionId, "too many active IDs"};
  ids_[count_++] = {flowsteer::ConnectionId(id), true, sequence, token};
  if (auto error = retire_prior_to(retire_prior_to_sequence)) return error;
  // meets RFC 9000 5.1.1-5
  if (count_ > limit_) return {ErrorCode::kConnectionIdLimitError, kNewConnectionId, "too many active IDs"};
  return {};
}

// meets RFC 9000 5.1.2-3 19.15-7
TransportError RemoteIds::retire_prior_to(uint64_t sequence) {
  if (sequence <= retired_prior_to_) return {};
  retired_prior_to_ = sequence;
  const bool leave_current = ids_[current_].sequence < sequence;
  const uint64_t current = ids_[current_].sequence;
  for (size_t i = count_; i-- > 0;) {
    if (ids_[i].sequence >= sequence) continue;
    if (!retire(ids_[i].sequence)) {
      return {ErrorCode::kConnectionIdLimitError, kNewConnectionId, "too many retired connection IDs"};
    }
    remove(i);
  }
  for (size_t i = 0; i < count_; ++i) {
    if (leave_current || ids_[i].sequence == current) current_ = static_cast<uint8_t>(i);
  }
  return {};
}

const flowsteer::ConnectionId* RemoteIds::fresh() const {
  const Id* found = nullptr;
  for (size_t i = 0; i < count_; ++i) {
    if (i != current_ && (!found || ids_[i].sequence < found->sequence)) found = &ids_[i];
  }
  return found ? &found->id : nullptr;
}

// meets RFC 9000 5.1.2-1 9.5-2
bool RemoteIds::use_fresh() {
  const flowsteer::ConnectionId* next = fresh();
  if (!next || !retire(ids_[current_].sequence)) return false;
  const flowsteer::ConnectionId id = *next;
  remove(current_);
  current_ = static_cast<uint8_t>(
      std::ranges::find_if(ids_.begin(), ids_.begin() + count_, [&](const Id& each) { return each.id == id; }) -
      ids_.begin());
  return true;
}

bool RemoteIds::next_to_retire(uint64_t& sequence) const {
  for (size_t i = 0; i < retiring_count_; ++i) {
    if (retiring_[i].waiting) return sequence = retiring_[i].sequence, true;
  }
  return false;
}

void RemoteIds::on_retirement_sent(uint64_t sequence) {
  if (auto* retirement = find_retirement(sequence)) retirement->waiting = false;
}

void RemoteIds::on_retirement_lost(uint64_t sequence) {
  if (auto* retirement = find_retirement(sequence)) retirement->waiting = true;
}

void RemoteIds::on_retirement_acknowledged(uint64_t sequence) {
  if (auto* retirement = find_retirement(sequence)) *retirement = retiring_[--retiring_count_];
}

// False where too many are under way.
// meets RFC 9000 5.1.2-4 5.1.2-5 5.1.2-6
bool RemoteIds::retire(uint64_t sequence) {
  if (find_retirement(sequence)) return true;
  if (retiring_count_ == kMaxRetiring) return false;
  retiring_[retiring_count_++] = {sequence, true};
  return true;
}

RemoteIds::Retirement* RemoteIds::find_retirement(uint64_t sequence) {
  for (size_t i = 0; i < retiring_count_; ++i) {
    if (retiring_[i].sequence == sequence) return &retiring_[i];
  }
  return nullptr;
}

void RemoteIds::remove(size_t place) {
  std::move(ids_.begin() + static_cast<ptrdiff_t>(place) + 1, ids_.begin() + count_,
            ids_.begin() + static_cast<ptrdiff_t>(place));
  --count_;
}

}  // namespace viaduct::quic
