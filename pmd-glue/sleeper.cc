#include "pmd-glue/sleeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "base/clock.h"

namespace viaduct::net {
namespace {

// With a socket to wait on: long enough not to sleep between two frames of a busy cable.
constexpr Duration kSpinBeforePoll = Duration::microseconds(5);

// Without one, how long to sleep after having been idle for so long.
struct Step {
  Duration idle_for;
  Duration sleep;
};
constexpr Step kLadder[] = {{Duration::microseconds(20), Duration::nanoseconds(0)},
                            {Duration::microseconds(200), Duration::microseconds(1)},
                            {Duration::milliseconds(10), Duration::microseconds(100)},
                            {Duration::infinite(), Duration::microseconds(1000)}};

Duration backoff(Duration idle) {
  return std::find_if(std::begin(kLadder), std::end(kLadder) - 1, [&](const Step& s) { return idle < s.idle_for; })
      ->sleep;
}

// An interface that went down leaves an error on its socket, which would end every wait at once.
void clear_error(int socket) {
  int error;
  socklen_t size = sizeof error;
  getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
}

}  // namespace

Sleeper::Sleeper(int rx_socket, bool always_poll)
    : rx_socket_(rx_socket), always_poll_(always_poll), wake_event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Sleeper::~Sleeper() {
  if (wake_event_ >= 0) close(wake_event_);
}

void Sleeper::wake() {
  woken_.store(true);
  // The sleeper sets its flag before it looks at ours, so that one of the two sees the other's.
  if (!sleeping_.load()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_event_, &one, sizeof one);
}

void Sleeper::wait(Instant deadline) {
  if (always_poll_) return;
  const Instant now = MonotonicClock::now();
  if (idle_since_.is_never()) idle_since_ = now;
  if (deadline <= now) return;
  const Duration idle = now - idle_since_;
  const Duration left = deadline.is_never() ? Duration::infinite() : deadline - now;
  const Duration longest =
      rx_socket_ >= 0 ? (idle < kSpinBeforePoll ? Duration() : left) : std::min(left, backoff(idle));
  if (longest > Duration()) sleep(longest);
}

void Sleeper::sleep(Duration longest) {
  sleeping_.store(true);
  if (!woken_.exchange(false)) {
    pollfd descriptors[2] = {{wake_event_, POLLIN, 0}, {rx_socket_, POLLIN, 0}};
    constexpr int64_t kLongest = 3'600'000'000'000;  // what never ends is looked at once an hour
    const int64_t ns = std::min(longest.ns(), kLongest);
    const timespec timeout{ns / 1'000'000'000, ns % 1'000'000'000};
    ppoll(descriptors, rx_socket_ >= 0 ? 2 : 1, &timeout, nullptr);
    if (descriptors[0].revents != 0) {
      uint64_t count;
      [[maybe_unused]] const ssize_t got = read(wake_event_, &count, sizeof count);
    }
    if (descriptors[1].revents & POLLERR) clear_error(rx_socket_);
  }
  sleeping_.store(false);
  // Exchanged and not stored: what the waker did before must be seen after.
  woken_.exchange(false);
}

}  // namespace viaduct::net
