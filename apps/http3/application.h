// What a server asks of the program behind it.
#pragma once

#include <cstdint>

#include "apps/http3/message.h"
#include "base/pool.h"

namespace viaduct::http3 {

// Names a request of one server; stale, not dangling, once on_gone() was called for it.
using RequestId = Handle;

// All calls come out of Server::step() or of a call that the application made itself.
class Application {
 public:
  virtual ~Application() = default;

  // A request's header section is complete and well-formed. `head` and what it points to last until the return;
  // the answer may come now or later. Content of the request is checked and discarded; an answer that is complete
  // before it asks the client to send no more of it.
  virtual void on_request(RequestId request, const RequestHead& head) = 0;
  // The request is there whole, with so many bytes of content.
  virtual void on_content_end(RequestId, uint64_t) {}
  // A request was answered as one before it, by the answer that carried this mark (Server::respond()). It has no id,
  // and nothing more is told of it.
  virtual void on_repeated(uint64_t) {}
  // More of an unfinished body may be written: see Server::room().
  virtual void on_writable(RequestId request) = 0;
  // The request is over, whichever way; it is not known any more.
  virtual void on_gone(RequestId request) = 0;
  // Something is about to be told of the request: what is kept of it may be fetched.
  virtual void prefetch(RequestId) const {}
};

}  // namespace viaduct::http3
