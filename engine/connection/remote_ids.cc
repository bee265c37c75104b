#include "engine/connection/remote_ids.h"

#include <algorithm>

namespace viaduct::quic {
namespace {

constexpr uint64_t kNewConnectionId = 0x18;

TransportError violation(std::string_view reason) { return {ErrorCode::kProtocolViolation, kNewConnectionId, reason}; }

}  // namespace

void RemoteIds::start(const flowsteer::ConnectionId& id) {
  ids_[0] = {.id = id, .is_taken = true};
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
  if (!is_new(sequence)) {
    const bool leaves_none = std::all_of(ids_.begin(), ids_.begin() + count_,
                                         [&](const Id& known) { return known.sequence < retire_prior_to_sequence; });
    return leaves_none ? violation("a frame that came before retires all connection IDs now")
                       : retire_prior_to(retire_prior_to_sequence);
  }
  // Retire first, then count (section 5.1.1). The new ID goes in before, so that there is one to change to.
  if (count_ == ids_.size()) return {ErrorCode::kConnectionIdLimitError, kNewConnectionId, "too many active IDs"};
  ids_[count_++] = {.id = flowsteer::ConnectionId(id), .has_token = true, .sequence = sequence, .token = token};
  if (auto error = retire_prior_to(retire_prior_to_sequence)) return error;
  // meets RFC 9000 5.1.1-5
  if (count_ > limit_) return {ErrorCode::kConnectionIdLimitError, kNewConnectionId, "too many active IDs"};
  return {};
}

// False where a frame comes again whose ID we have retired meanwhile: the peer knows it no more. Sequence numbers go up
// by one, so that what lies far behind is no new one either.
bool RemoteIds::is_new(uint64_t sequence) {
  constexpr uint64_t kRemembered = 64;
  if (sequence > highest_seen_) {
    const uint64_t ahead = sequence - highest_seen_;
    seen_ = ahead < kRemembered ? seen_ << ahead : 0;
    highest_seen_ = sequence;
  }
  const uint64_t behind = highest_seen_ - sequence;
  if (behind >= kRemembered) return false;
  const bool was_seen = (seen_ >> behind & 1) != 0;
  seen_ |= uint64_t{1} << behind;
  return !was_seen;
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
  if (!leave_current) {
    current_ = static_cast<uint8_t>(place_of(current));
    return {};
  }
  // The peer leaves no other choice than one of another path's where all are taken.
  current_ = static_cast<uint8_t>(std::min(fresh(), count_ - size_t{1}));
  ids_[current_].is_taken = true;
  return {};
}

size_t RemoteIds::fresh() const {
  size_t found = count_;
  for (size_t i = 0; i < count_; ++i) {
    if (!ids_[i].is_taken && (found == count_ || ids_[i].sequence < ids_[found].sequence)) found = i;
  }
  return found;
}

size_t RemoteIds::place_of(uint64_t sequence) const {
  size_t place = 0;
  while (place < count_ && ids_[place].sequence != sequence) ++place;
  return place;
}

// meets RFC 9000 5.1.2-1 9.5-2
std::optional<uint64_t> RemoteIds::reserve() {
  if (current().empty()) return current_sequence();
  const size_t place = fresh();
  if (place == count_) return std::nullopt;
  ids_[place].is_taken = true;
  return ids_[place].sequence;
}

const flowsteer::ConnectionId* RemoteIds::find(uint64_t sequence) const {
  const size_t place = place_of(sequence);
  return place < count_ ? &ids_[place].id : nullptr;
}

bool RemoteIds::use(uint64_t sequence) {
  const size_t place = place_of(sequence);
  if (place == count_) return false;
  current_ = static_cast<uint8_t>(place);
  return true;
}

// Where too many retirements are under way it stays, taken for ever.
void RemoteIds::release(uint64_t sequence) {
  const size_t place = place_of(sequence);
  if (place == count_ || place == current_ || !retire(sequence)) return;
  const uint64_t current = current_sequence();
  remove(place);
  current_ = static_cast<uint8_t>(place_of(current));
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
