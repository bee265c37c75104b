#include "pmd-glue/kernel_interface.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace viaduct::net {
namespace {

// One question about an interface, put to a socket as the kernel wants it.
bool ask(const std::string& name, unsigned long question, ifreq& request) {
  std::memset(&request, 0, sizeof request);
  if (name.size() >= sizeof request.ifr_name) return false;
  std::copy(name.begin(), name.end(), request.ifr_name);
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  const bool answered = ioctl(socket, question, &request) == 0;
  close(socket);
  return answered;
}

}  // namespace

bool has_kernel_interface(const std::string& name) { return if_nametoindex(name.c_str()) != 0; }

std::optional<uint16_t> kernel_interface_mtu(const std::string& name) {
  ifreq request;
  if (!ask(name, SIOCGIFMTU, request)) return std::nullopt;
  return static_cast<uint16_t>(std::clamp(request.ifr_mtu, 0, 65535));
}

bool is_kernel_interface_up(const std::string& name) {
  ifreq request;
  return ask(name, SIOCGIFFLAGS, request) && (request.ifr_flags & IFF_UP);
}

}  // namespace viaduct::net
