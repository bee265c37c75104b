#include "pmd-glue/driver_sockets.h"

#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <string>

namespace viaduct::net {

std::set<int> open_driver_sockets() {
  std::set<int> sockets;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const int descriptor = std::stoi(entry.path().filename());
    int domain = 0;
    socklen_t size = sizeof domain;
    if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) continue;
    if (domain == AF_PACKET || domain == AF_XDP) sockets.insert(descriptor);
  }
  return sockets;
}

// The kernel gives out the lowest free number, and the drivers open their queues' sockets one after the other.
std::vector<int> driver_sockets_since(const std::set<int>& before, unsigned queues) {
  const std::set<int> now = open_driver_sockets();
  std::vector<int> added;
  std::set_difference(now.begin(), now.end(), before.begin(), before.end(), std::back_inserter(added));
  if (added.size() != queues) added.clear();
  return added;
}

}  // namespace viaduct::net
