// A packet port of UDP payloads: Ethernet, IPv4, IPv6, UDP, ARP, neighbour discovery and ICMP under it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/packet_port.h"
#include "pmd-glue/frame_port.h"
#include "pmd-glue/ip_interface.h"

namespace viaduct::net {

struct EthernetHeader;
struct IpHeader;
struct Tunnelled;
struct UdpHeaders;

// Written by the worker, read by any thread. Received frames that are not delivered are in FramePort::verdicts():
// frames received = delivered + sum of verdicts.
struct UdpPortCounters {
  std::atomic<uint64_t> delivered{0};          // datagrams handed up
  std::atomic<uint64_t> partial_checksums{0};  // of these, with a checksum that equals the pseudo-header sum
  std::atomic<uint64_t> sent{0};               // datagrams given to the frame port
  std::atomic<uint64_t> waited{0};             // that waited for their neighbour's address
  std::atomic<uint64_t> no_route{0};           // dropped: neither on-link nor a gateway
  std::atomic<uint64_t> unresolved{0};         // dropped: the neighbour did not answer in time
  std::atomic<uint64_t> pending_full{0};       // dropped: too many waited already
  std::atomic<uint64_t> too_large{0};          // dropped: larger than the interface's MTU
  std::atomic<uint64_t> questions{0};          // ARP requests and neighbour solicitations sent
  std::atomic<uint64_t> answers{0};            // ARP, neighbour discovery and echo answers sent
  std::atomic<uint64_t> answers_lost{0};       // answers that found the send queue full
};

// A PacketPort (base/packet_port.h) of one worker over one queue.
//   receive  payloads of intact datagrams to our addresses and ports; Packet::path and ecn are filled.
//   send     Packet::path (its local address one of ours) and ecn say the headers, which go in front: offset must be at
//            least kFrameOverhead. Datagrams for an unknown neighbour wait here, within bounds; what cannot be sent is
//            dropped and counted, and taken from the caller all the same.
class UdpPort {
 public:
  // Both must outlive it. Made by the control thread, then used by one worker.
  UdpPort(FramePort& frames, IpInterface& interface);
  ~UdpPort();
  UdpPort(const UdpPort&) = delete;
  UdpPort& operator=(const UdpPort&) = delete;

  size_t receive(std::span<Packet*> burst);
  size_t allocate(std::span<Packet*> burst) { return frames_.allocate(burst); }
  size_t send(std::span<Packet*> burst);
  void release(std::span<Packet*> burst) { frames_.release(burst); }
  void wait(Instant deadline);
  void wake() { frames_.wake(); }

  // The next path-MTU message that any worker's queue received since the last call; the worker's.
  std::optional<PathMtuMessage> take_path_mtu();

  // Largest UDP payloads that the interface's MTU lets through.
  uint16_t max_payload4() const;
  uint16_t max_payload6() const;
  // Room for headers that send() needs before data(): Ethernet with a tag, IPv6, UDP.
  static constexpr uint16_t kFrameOverhead = 18 + 40 + 8;

  const UdpPortCounters& counters() const { return counters_; }
  const VerdictCounters& verdicts() const { return frames_.verdicts(); }
  FramePort& frames() { return frames_; }

 private:
  struct State;

  Verdict take_frame(Packet& packet, Instant now);
  Verdict take_arp(Packet& packet, const EthernetHeader& ethernet, Instant now);
  Verdict take_ip(Packet& packet, const EthernetHeader& ethernet, Instant now);
  Verdict take_tunnelled(Packet& packet, const Tunnelled& tunnelled, const IpHeader& outer, Instant now);
  Verdict take_udp(Packet& packet, Bytes whole, const IpHeader& ip);
  void answer_with(Packet& packet, size_t length, const MacAddress& to);

  const UdpHeaders* headers_for(const Path& path);
  size_t flush(std::span<Packet*> ready);
  void send_later(Packet* packet);
  void serve(Instant now);
  void send_answers();
  void send_waiting(Instant now);
  bool has_waiting_news() const;
  void ask(const NeighbourTable::Question& question);
  void announce();
  void send_message(Bytes frame);

  FramePort& frames_;
  IpInterface& interface_;
  UdpPortCounters counters_;
  std::unique_ptr<State> state_;
};

static_assert(PacketPort<UdpPort>);

}  // namespace viaduct::net
