#include "pmd-glue/driver_arguments.h"

#include <algorithm>

namespace viaduct::net {
namespace {

constexpr unsigned kLinkOverhead = 18;  // Ethernet with a tag
// The kernel's own header and the gap before the frame in a slot of af_packet's ring.
constexpr unsigned kAfPacketSlotOverhead = 96;
constexpr unsigned kPage = 4096;
constexpr uint16_t kLeastDataRoom = 2048;

unsigned round_up(unsigned value, unsigned unit) { return (value + unit - 1) / unit * unit; }

// A power-of-two number of pages holds slots without a gap, which the driver takes for granted.
unsigned af_packet_slot(uint16_t mtu) { return round_up(mtu + kLinkOverhead + kAfPacketSlotOverhead, 2048); }

std::string af_packet(const DeviceConfig& config, uint16_t mtu) {
  const unsigned slot = af_packet_slot(mtu);
  const unsigned block = slot % kPage == 0 ? slot : 2 * slot;
  const unsigned slots = round_up(std::max(config.rx_descriptors, 64u), block / slot);
  return "iface=" + config.interface + ",qpairs=" + std::to_string(config.queues) +
         ",qdisc_bypass=1,framesz=" + std::to_string(slot) + ",blocksz=" + std::to_string(block) +
         ",framecnt=" + std::to_string(slots);
}

std::string memif(const DeviceConfig& config, uint16_t mtu) {
  unsigned log2_ring = 1;
  while ((1u << log2_ring) < config.rx_descriptors && log2_ring < 14) ++log2_ring;
  return std::string("role=") + (config.memif_server ? "server" : "client") + ",id=" + std::to_string(config.memif_id) +
         ",socket=" + config.memif_socket + ",socket-abstract=no,bsize=" + std::to_string(data_room_for(config, mtu)) +
         ",rsize=" + std::to_string(log2_ring);
}

std::string pcap(const DeviceConfig& config) {
  std::string arguments = "rx_pcap=" + config.pcap_receive;
  if (!config.pcap_send.empty()) arguments += ",tx_pcap=" + config.pcap_send;
  if (config.pcap_repeat) arguments += ",infinite_rx=1";
  return arguments;
}

std::string null(const DeviceConfig& config) {
  if (config.null_frame_size == 0) return "size=64,no-rx=1";
  return "size=" + std::to_string(config.null_frame_size) + ",copy=0";
}

}  // namespace

std::string driver_string(const DeviceConfig& config, unsigned number, uint16_t mtu) {
  const std::string n = std::to_string(number);
  std::string text;
  switch (config.driver) {
    case Driver::kAfPacket:
      text = "net_af_packet" + n + "," + af_packet(config, mtu);
      break;
    case Driver::kAfXdp:
      text = "net_af_xdp" + n + ",iface=" + config.interface +
             ",start_queue=0,queue_count=" + std::to_string(config.queues);
      break;
    case Driver::kTap:
      text = "net_tap" + n + ",iface=" + config.interface;
      break;
    case Driver::kMemif:
      text = "net_memif" + n + "," + memif(config, mtu);
      break;
    case Driver::kNull:
      text = "net_null" + n + "," + null(config);
      break;
    case Driver::kPcap:
      text = "net_pcap" + n + "," + pcap(config);
      break;
    case Driver::kPci:
      text = config.pci_address;
      break;
    case Driver::kRing:
      break;  // made of rings of ours, not from a string
  }
  if (!config.driver_arguments.empty()) text += "," + config.driver_arguments;
  return text;
}

uint16_t data_room_for(const DeviceConfig& config, uint16_t mtu) {
  const unsigned frame =
      config.driver == Driver::kAfPacket ? af_packet_slot(mtu) : round_up(mtu + kLinkOverhead + kPage / 64, 64);
  return static_cast<uint16_t>(std::max<unsigned>(frame, kLeastDataRoom));
}

std::string display_name(const DeviceConfig& config) {
  switch (config.driver) {
    case Driver::kAfPacket:
      return "af_packet:" + config.interface;
    case Driver::kAfXdp:
      return "af_xdp:" + config.interface;
    case Driver::kTap:
      return "tap:" + config.interface;
    case Driver::kMemif:
      return std::string("memif:") + (config.memif_server ? "server:" : "client:") + config.memif_socket + ":" +
             std::to_string(config.memif_id);
    case Driver::kRing:
      return "ring";
    case Driver::kNull:
      return "null";
    case Driver::kPcap:
      return "pcap:" + config.pcap_receive;
    case Driver::kPci:
      return config.pci_address;
  }
  return "";
}

}  // namespace viaduct::net
