// What a driver is told of a device's configuration.
#pragma once

#include <string>

#include "pmd-glue/device_config.h"

namespace viaduct::net {

// DPDK's device string for rte_dev_probe(): "net_af_packet0,iface=veth0,…" or a PCI address. mtu is the resolved one.
std::string driver_string(const DeviceConfig& config, unsigned number, uint16_t mtu);

// Bytes of a received frame that the driver may write into a packet.
uint16_t data_room_for(const DeviceConfig& config, uint16_t mtu);

// The device's name for people: "af_packet:veth0".
std::string display_name(const DeviceConfig& config);

}  // namespace viaduct::net
