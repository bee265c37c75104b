// What the kernel knows of a network interface of this network namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace viaduct::net {

bool has_kernel_interface(const std::string& name);
std::optional<uint16_t> kernel_interface_mtu(const std::string& name);
bool is_kernel_interface_up(const std::string& name);

}  // namespace viaduct::net
