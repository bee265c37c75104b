#include "crypto-offload/handshake_pool.h"

#include <deque>
#include <string>
#include <thread>

namespace viaduct::crypto {
namespace {

using Request = HandshakeRequest::Type;
using Reply = HandshakeReply::Type;

}  // namespace

class HandshakePool::Worker {
 public:
  Worker(std::unique_ptr<TlsContext> context, unsigned workers, size_t sessions, const Nudge& nudge)
      : context_(std::move(context)), nudge_(nudge) {
    for (unsigned i = 0; i < workers; ++i) peers_.push_back(std::make_unique<Peer>(sessions, bell_));
  }

  HandshakeLink& link(unsigned worker) { return peers_[worker]->link; }
  void wake() { bell_.ring(); }
  uint64_t steps() const { return steps_.load(std::memory_order_relaxed); }

  // Packet workers take turns, a request each, so that none waits behind the queue of another.
  bool run_once() {
    bool busy = false;
    for (unsigned worker = 0; worker < peers_.size(); ++worker) busy |= serve(*peers_[worker], worker);
    return busy;
  }
  void run(const std::atomic<bool>& stop) {
    while (!stop.load(std::memory_order_acquire)) {
      const uint32_t seen = bell_.count();
      if (!run_once() && !stop.load(std::memory_order_acquire)) bell_.wait(seen);
    }
  }

 private:
  // One packet worker as this one sees it.
  struct Peer {
    Peer(size_t sessions_at_most, HandshakeBell& bell) : link(sessions_at_most, bell), sessions(sessions_at_most) {}
    ~Peer() {
      for (HandshakeReply& reply : unsent) reply.parcel.drop();
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    HandshakeLink link;
    std::vector<std::unique_ptr<TlsSession>> sessions;  // by slot
    std::deque<HandshakeReply> unsent;                  // of one request; found the ring full
  };

  // True where there was something to do. A packet worker that does not take its replies gets no more work done.
  bool serve(Peer& peer, unsigned worker) {
    if (!peer.unsent.empty()) {
      flush(peer, worker);
      std::this_thread::yield();
      return true;
    }
    HandshakeRequest request;
    if (!peer.link.requests.pop(request)) return false;
    handle(peer, request);
    flush(peer, worker);
    steps_.store(steps() + 1, std::memory_order_relaxed);
    return true;
  }

  void handle(Peer& peer, HandshakeRequest& request) {
    if (request.type == Request::kCertificates) {
      context_->use_certificates(*request.certificates);
      delete request.certificates;
      return;
    }
    std::unique_ptr<TlsSession>& session = peer.sessions[request.slot];
    if (request.type == Request::kDrop) {
      session.reset();
      peer.unsent.push_back({.type = Reply::kDropped, .slot = request.slot});
      return;
    }
    if (request.type == Request::kProvide) {
      if (session) session->provide(request.level, request.parcel.bytes());
    } else {
      session = make(request);
      if (!session) say_failed(peer, request.slot);
    }
    request.parcel.drop();
    if (session) say(peer, *session, request.slot);
    peer.unsent.push_back({.type = Reply::kDone, .slot = request.slot});
  }

  std::unique_ptr<TlsSession> make(const HandshakeRequest& request) {
    std::unique_ptr<TlsSession> session;
    if (request.type == Request::kAccept) {
      session = context_->accept(request.parcel.bytes());
    } else {
      ByteReader reader(request.parcel.bytes());
      const Bytes name = reader.bytes(reader.u16());
      const Bytes parameters = reader.bytes(reader.u16());
      session = context_->connect(std::string(name.begin(), name.end()), parameters, reader.rest());
    }
    if (session) session->start();
    return session;
  }

  static void say(Peer& peer, TlsSession& session, uint32_t slot) {
    TlsMessage message;
    while (session.poll(message)) {
      const Parcel parcel = Parcel::of(message.bytes);
      message.bytes = {};
      peer.unsent.push_back({.slot = slot, .message = message, .parcel = parcel});
    }
  }

  static void say_failed(Peer& peer, uint32_t slot) {
    TlsMessage message;
    message.type = TlsMessage::Type::kAlert;
    message.alert = kInternalErrorAlert;
    peer.unsent.push_back({.slot = slot, .message = message});
  }

  void flush(Peer& peer, unsigned worker) {
    bool any = false;
    for (; !peer.unsent.empty() && peer.link.replies.push(peer.unsent.front()); any = true) peer.unsent.pop_front();
    if (any) nudge_(worker);
  }

  std::unique_ptr<TlsContext> context_;
  const Nudge nudge_;
  HandshakeBell bell_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::atomic<uint64_t> steps_{0};
};

HandshakePool::HandshakePool(std::vector<std::unique_ptr<TlsContext>> contexts, unsigned workers, size_t sessions,
                             Nudge nudge)
    : sessions_(sessions) {
  for (auto& context : contexts) {
    workers_.push_back(std::make_unique<Worker>(std::move(context), workers, sessions, nudge));
  }
}

HandshakePool::~HandshakePool() = default;

std::unique_ptr<RemoteTlsContext> HandshakePool::context_for(unsigned worker) {
  std::vector<HandshakeLink*> links;
  for (const auto& each : workers_) links.push_back(&each->link(worker));
  return std::make_unique<RemoteTlsContext>(std::move(links), sessions_);
}

bool HandshakePool::run_once(unsigned index) { return workers_[index]->run_once(); }

void HandshakePool::run(unsigned index, const std::atomic<bool>& stop) { workers_[index]->run(stop); }

void HandshakePool::wake() {
  for (const auto& worker : workers_) worker->wake();
}

uint64_t HandshakePool::steps() const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->steps();
  return sum;
}

}  // namespace viaduct::crypto
