// The inside of a Device, for this folder's own files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pmd-glue/device.h"
#include "pmd-glue/frame_port.h"
#include "pmd-glue/packet_pool.h"

struct rte_ring;

namespace viaduct::net {

// Rings that a ring device stands on; both ends of a cable hold them.
struct Rings {
  std::vector<rte_ring*> rings;
  ~Rings();
};

struct Device::Core {
  DeviceConfig config;
  std::string name;
  uint16_t port_id = 0;
  MacAddress mac;
  uint16_t mtu = 0;
  int numa_node = -1;
  bool receive_checksums = false;
  bool send_checksums = false;
  bool started = false;
  // The last to go: the driver gives packets back when it closes.
  std::shared_ptr<PacketPool> pool;
  std::shared_ptr<Rings> rings;
  std::vector<std::unique_ptr<FramePort>> queues;

  ~Core();
};

}  // namespace viaduct::net
