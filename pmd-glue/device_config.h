// What a network device is to be, as the configuration says it.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "pmd-glue/mac_address.h"

namespace viaduct::net {

enum class Driver { kAfPacket, kAfXdp, kTap, kMemif, kRing, kNull, kPcap, kPci };

enum class IdlePolicy {
  kAuto,      // adaptive on virtual devices, poll on PCI devices
  kPoll,      // wait() returns at once: a core is always busy
  kAdaptive,  // sleep on the driver's own socket where it has one, else spin and back off up to 1 ms
};

// Who fills in the checksums of datagrams that are sent.
enum class ChecksumFilling : uint8_t {
  kSoftware,
  kDevice,
  kPartial,  // nobody: see DeviceConfig::partial_checksums
};

struct DeviceConfig {
  Driver driver = Driver::kAfPacket;
  // af_packet, af_xdp: the kernel's interface; tap: the interface to make.
  std::string interface;
  // memif: the control socket, which end we are, and the interface's number on it.
  std::string memif_socket;
  bool memif_server = true;
  unsigned memif_id = 0;
  // pcap: the file that is received from, in a circle or once; the file that is sent to, empty to drop.
  std::string pcap_receive;
  std::string pcap_send;
  bool pcap_repeat = false;
  // null: bytes of each frame that it makes up; 0 receives nothing.
  unsigned null_frame_size = 0;
  std::string pci_address;
  // Given to the driver behind our own arguments, as "key=value,key=value".
  std::string driver_arguments;

  unsigned queues = 1;             // one for each worker
  unsigned rx_descriptors = 1024;  // of each queue
  unsigned tx_descriptors = 1024;
  // Bytes of IP in a frame; 0 takes the interface's own (1,500 where there is none to ask).
  uint16_t mtu = 0;
  // Leaves the UDP checksum of what is sent at the sum of the pseudo-header, as kernels do on virtual cables: for memif
  // and ring, whose frames stay in memory, where the other end accepts that (ours does).
  bool partial_checksums = false;
  // Packets of each queue that may be held above the port: receive references, unsent packets, hand-offs.
  unsigned held_packets = 4096;
  bool promiscuous = false;
  IdlePolicy idle = IdlePolicy::kAuto;
  // Instead of the device's own.
  std::optional<MacAddress> mac;

  // From "af_packet:veth0", "af_xdp:eth1", "tap:viaduct0", "memif:server:/run/m.sock[:ID]",
  // "memif:client:/run/m.sock[:ID]", "ring", "null[:SIZE]", "pcap:FILE[:FILE]" or a PCI address
  // ("0000:3b:00.0" or "3b:00.0"). The error says what was expected.
  static std::expected<DeviceConfig, std::string> parse(std::string_view text);
  bool is_virtual() const { return driver != Driver::kPci; }
};

}  // namespace viaduct::net
