#include "crypto-offload/remote_tls.h"

#include <algorithm>
#include <limits>

namespace viaduct::crypto {
namespace {

using Request = HandshakeRequest::Type;

}  // namespace

RemoteTlsContext::RemoteTlsContext(std::vector<HandshakeLink*> links, size_t capacity) : capacity_(capacity) {
  for (HandshakeLink* link : links) {
    Line line{link, std::vector<RemoteTlsSession*>(link->slots), {}};
    for (size_t slot = link->slots; slot > 0; --slot) line.free_slots.push_back(static_cast<uint32_t>(slot - 1));
    lines_.push_back(std::move(line));
  }
}

std::unique_ptr<TlsSession> RemoteTlsContext::accept(Bytes transport_parameters) {
  return open(Request::kAccept, transport_parameters);
}

std::unique_ptr<TlsSession> RemoteTlsContext::connect(const std::string& server_name, Bytes transport_parameters,
                                                      Bytes session) {
  const Bytes name(reinterpret_cast<const uint8_t*>(server_name.data()), server_name.size());
  if (std::max(name.size(), transport_parameters.size()) > std::numeric_limits<uint16_t>::max()) return nullptr;
  std::vector<uint8_t> bytes(4 + name.size() + transport_parameters.size() + session.size());
  ByteWriter writer(bytes);
  writer.u16(static_cast<uint16_t>(name.size()));
  writer.bytes(name);
  writer.u16(static_cast<uint16_t>(transport_parameters.size()));
  writer.bytes(transport_parameters);
  writer.bytes(session);
  auto made = open(Request::kConnect, bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());  // a session to resume is a secret
  return made;
}

// On the handshake worker that has the fewest.
std::unique_ptr<TlsSession> RemoteTlsContext::open(Request type, Bytes bytes) {
  const auto most_room = std::max_element(lines_.begin(), lines_.end(), [](const Line& a, const Line& b) {
    return a.free_slots.size() < b.free_slots.size();
  });
  if (use_.used() >= capacity_ || most_room->free_slots.empty()) {
    use_.count_refused();
    return nullptr;
  }
  const uint32_t slot = most_room->free_slots.back();
  most_room->free_slots.pop_back();
  use_.count_taken();
  auto session = std::make_unique<RemoteTlsSession>(*this, static_cast<size_t>(most_room - lines_.begin()), slot);
  most_room->sessions[slot] = session.get();
  send(*most_room, {.type = type, .slot = slot, .parcel = Parcel::of(bytes)});
  return session;
}

void RemoteTlsContext::send(Line& line, const HandshakeRequest& request) {
  if (request.type != Request::kCertificates) ++under_way_;
  line.link->requests.push(request);  // there is room: see HandshakeRequest
  line.link->bell.ring();
}

void RemoteTlsContext::use_certificates(std::shared_ptr<const CertificateStore> certificates) {
  certificates_ = std::move(certificates);
  for (Line& line : lines_) {
    line.certificates_due = true;
    send_certificates(line);
  }
}

// Where sessions could need the rest of the ring, they wait.
void RemoteTlsContext::send_certificates(Line& line) {
  if (!line.certificates_due || line.link->requests.room() <= 2 * line.link->slots) return;
  line.certificates_due = false;
  send(line,
       {.type = Request::kCertificates, .certificates = new std::shared_ptr<const CertificateStore>(certificates_)});
}

size_t RemoteTlsContext::ready(std::span<uint64_t> owners) {
  for (Line& line : lines_) {
    receive(line);
    send_certificates(line);
  }
  size_t count = 0;
  for (; count < owners.size() && !ready_.empty(); ++count) {
    RemoteTlsSession* session = ready_.back();
    ready_.pop_back();
    session->is_ready_ = false;
    owners[count] = session->owner_;
  }
  return count;
}

bool RemoteTlsContext::has_ready() const {
  return !ready_.empty() ||
         std::any_of(lines_.begin(), lines_.end(), [](const Line& line) { return !line.link->replies.empty(); });
}

void RemoteTlsContext::receive(Line& line) {
  HandshakeReply reply;
  while (line.link->replies.pop(reply)) {
    if (reply.type != HandshakeReply::Type::kMessage) --under_way_;
    if (reply.type == HandshakeReply::Type::kDropped) {
      line.free_slots.push_back(reply.slot);
      use_.count_returned();
    } else if (RemoteTlsSession* session = line.sessions[reply.slot]) {
      session->take(reply);
      if (session->is_ready_ || session->inbox_.empty()) continue;
      session->is_ready_ = true;
      ready_.push_back(session);
    } else {
      reply.parcel.drop();
    }
  }
}

void RemoteTlsContext::forget(RemoteTlsSession& session) {
  if (session.is_ready_) std::erase(ready_, &session);
  Line& line = lines_[session.line_];
  line.sessions[session.slot_] = nullptr;
  send(line, {.type = Request::kDrop, .slot = session.slot_});
}

RemoteTlsSession::~RemoteTlsSession() {
  polled_.drop();
  for (HandshakeReply& reply : inbox_) reply.parcel.drop();
  context_.forget(*this);
}

void RemoteTlsSession::provide(EncryptionLevel level, Bytes bytes) {
  if (failed_ || bytes.empty()) return;
  if (!busy_) return send(level, bytes);
  if (pending_bytes_ + bytes.size() > kMaxPending) return fail();
  if (pending_.empty() || pending_.back().first != level) pending_.push_back({level, {}});
  auto& last = pending_.back().second;
  last.insert(last.end(), bytes.begin(), bytes.end());
  pending_bytes_ += bytes.size();
}

void RemoteTlsSession::send(EncryptionLevel level, Bytes bytes) {
  busy_ = true;
  context_.send(context_.lines_[line_],
                {.type = Request::kProvide, .level = level, .slot = slot_, .parcel = Parcel::of(bytes)});
}

bool RemoteTlsSession::poll(TlsMessage& message) {
  polled_.drop();
  if (inbox_.empty()) return false;
  message = inbox_.front().message;
  polled_ = inbox_.front().parcel;
  message.bytes = polled_.bytes();
  inbox_.pop_front();
  return true;
}

void RemoteTlsSession::take(const HandshakeReply& reply) {
  if (reply.type == HandshakeReply::Type::kMessage) return inbox_.push_back(reply);
  busy_ = false;
  if (pending_.empty()) return;
  const auto [level, bytes] = std::move(pending_.front());
  pending_.pop_front();
  pending_bytes_ -= bytes.size();
  send(level, bytes);
}

void RemoteTlsSession::fail() {
  failed_ = true;
  HandshakeReply& reply = inbox_.emplace_back();
  reply.message.type = TlsMessage::Type::kAlert;
  reply.message.alert = kInternalErrorAlert;
}

}  // namespace viaduct::crypto
