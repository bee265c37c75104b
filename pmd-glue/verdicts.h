// How a received frame can end on this floor. Frames that are delivered get their verdict from the floor above.
#pragma once

#include "base/verdict.h"

namespace viaduct::net {

#define VIADUCT_PORT_VERDICTS(X)                                                                                       \
  X(kFrameInPieces, "frame-in-pieces", "The driver spread the frame over several buffers; is the MTU too large?", "")  \
  X(kFrameTooShort, "frame-too-short", "The frame ends within its link-layer header.", "")                             \
  X(kFrameNotForUs, "frame-not-for-us", "The destination MAC address is another station's.", "")                       \
  X(kVlanUnexpected, "vlan-unexpected", "Tagged for a VLAN that is not this interface's, or not tagged for it.", "")   \
  X(kProtocolUnknown, "protocol-unknown", "Neither IPv4, IPv6 nor ARP.", "")                                           \
  X(kArpAnswered, "arp-answered", "An ARP request for one of our addresses.", "RFC 826")                               \
  X(kArpLearned, "arp-learned", "An ARP packet from a neighbour that we were asking for or knew.", "RFC 826")          \
  X(kArpIgnored, "arp-ignored", "An ARP packet that is not about us.", "RFC 826")                                      \
  X(kArpMalformed, "arp-malformed", "An ARP packet that is cut short or not for Ethernet and IPv4.", "RFC 826")        \
  X(kIpv4Malformed, "ipv4-malformed", "An IPv4 header whose version or lengths cannot be.", "RFC 791 section 3.1")     \
  X(kIpv4ChecksumWrong, "ipv4-checksum-wrong", "The IPv4 header checksum is wrong.", "RFC 791 section 3.1")            \
  X(kIpv6Malformed, "ipv6-malformed", "An IPv6 header whose version or lengths cannot be.", "RFC 8200 section 3")      \
  X(kIpv6ExtensionsRefused, "ipv6-extensions-refused", "Too many IPv6 extension headers, or one that we cannot skip.", \
    "RFC 8200 section 4")                                                                                              \
  X(kFrameShorterThanIp, "frame-shorter-than-ip",                                                                      \
    "The frame holds less than its IP length says: the sending side probably has segmentation offload on; turn it "    \
    "off there (ethtool -K IFACE tx-udp-segmentation off gso off tso off).",                                           \
    "")                                                                                                                \
  X(kIpFragment, "ip-fragment", "A fragment: datagrams for us must fit the path.", "RFC 9000 section 14")              \
  X(kTunnelRefused, "tunnel-refused", "A tunnelled packet from nobody who is configured to send such.", "")            \
  X(kTunnelMalformed, "tunnel-malformed", "A tunnel's header, or the packet inside, that cannot be.", "")              \
  X(kTunnelEcnRefused, "tunnel-ecn-refused",                                                                           \
    "Marked for congestion on the way through a tunnel, and its transport would not learn of it.",                     \
    "RFC 6040 section 4.2")                                                                                            \
  X(kIpSourceRefused, "ip-source-refused", "The source address is ours, a multicast group, a broadcast or none.",      \
    "RFC 1122 section 3.2.1.3")                                                                                        \
  X(kIpNotOurs, "ip-not-ours", "The destination address is not one of ours.", "")                                      \
  X(kIpProtocolUnhandled, "ip-protocol-unhandled", "Neither UDP nor ICMP.", "")                                        \
  X(kUdpMalformed, "udp-malformed", "The UDP length cannot be.", "RFC 768")                                            \
  X(kUdpChecksumWrong, "udp-checksum-wrong", "The UDP checksum is wrong.", "RFC 768")                                  \
  X(kUdpChecksumMissing, "udp-checksum-missing", "No UDP checksum over IPv6.", "RFC 8200 section 8.1")                 \
  X(kUdpPortClosed, "udp-port-closed", "Nothing listens on the destination port.", "")                                 \
  X(kIcmpMalformed, "icmp-malformed", "An ICMP message that is cut short or fails its checksum.", "RFC 792")           \
  X(kIcmpEchoAnswered, "icmp-echo-answered", "An echo request, answered.", "RFC 792, RFC 4443 section 4.1")            \
  X(kIcmpEchoLimited, "icmp-echo-limited", "An echo request above the rate that is answered.", "")                     \
  X(kIcmpPathMtu, "icmp-path-mtu", "A path-MTU message about a datagram of ours, handed up.",                          \
    "RFC 9000 section 14.2.1")                                                                                         \
  X(kIcmpPathMtuRefused, "icmp-path-mtu-refused",                                                                      \
    "A path-MTU message whose quoted packet is not ours or whose MTU cannot be.", "RFC 9000 section 14.2.1")           \
  X(kIcmpIgnored, "icmp-ignored", "Another ICMP message.", "")                                                         \
  X(kNdAnswered, "nd-answered", "A neighbour solicitation for one of our addresses.", "RFC 4861 section 7.2.4")        \
  X(kNdLearned, "nd-learned", "An advertisement from a neighbour that we were asking for or knew.",                    \
    "RFC 4861 section 7.2.5")                                                                                          \
  X(kNdIgnored, "nd-ignored", "Neighbour discovery that is not about us.", "RFC 4861")                                 \
  X(kNdMalformed, "nd-malformed", "Neighbour discovery that fails its validity checks.", "RFC 4861 section 7.1")

VIADUCT_DEFINE_VERDICTS(VerdictRange::kPort, VIADUCT_PORT_VERDICTS)

}  // namespace viaduct::net
