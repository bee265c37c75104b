// What became of a frame in the balancer. Those that are not about a service get theirs from pmd-glue's list.
#pragma once

#include "base/verdict.h"

namespace viaduct::lb {

#define VIADUCT_BALANCER_VERDICTS(X)                                                                                \
  X(kRoutedById, "lb-routed-by-id", "To the server that the destination connection ID names.",                      \
    "draft-ietf-quic-load-balancers section 4")                                                                     \
  X(kRoutedByScid, "lb-routed-by-scid", "To the server of the flow with these addresses and source connection ID.", \
    "draft-ietf-quic-load-balancers section 4.3")                                                                   \
  X(kRoutedByDcid, "lb-routed-by-dcid", "To the server of the flow with this destination connection ID.",           \
    "draft-ietf-quic-load-balancers section 4.3")                                                                   \
  X(kRoutedByAddresses, "lb-routed-by-addresses", "To the server of the flow with these addresses.",                \
    "draft-ietf-quic-load-balancers section 4.3")                                                                   \
  X(kRoutedAsNew, "lb-routed-as-new", "To the server that the addresses hash to.",                                  \
    "draft-ietf-quic-load-balancers section 4.2")                                                                   \
  X(kIcmpRouted, "lb-icmp-routed", "An ICMP error, to the server that sent the quoted packet.",                     \
    "RFC 9000 section 14.2.1")                                                                                      \
  X(kIcmpReturned, "lb-icmp-returned",                                                                              \
    "A packet was too big on its way from us to a server; the client was told what fits.",                          \
    "RFC 2003 section 4.1, RFC 5508 section 4.2")                                                                   \
  X(kIcmpOfOurs, "lb-icmp-of-ours",                                                                                 \
    "An ICMP error about a tunnel or a translated flow that says nothing to a client, or quotes too little.", "")   \
  X(kNatReturned, "lb-nat-returned", "A server's answer, rewritten and sent to its client.", "")                    \
  X(kRetrySent, "lb-retry-sent", "Answered with a Retry on behalf of the servers.",                                 \
    "draft-ietf-quic-retry-offload section 4")                                                                      \
  X(kTooBigAnswered, "lb-too-big-answered", "Does not fit with its encapsulation; the sender was told.",            \
    "RFC 1191 section 4, RFC 4443 section 3.2")                                                                     \
  X(kTooBigDropped, "lb-too-big-dropped",                                                                           \
    "Does not fit with its encapsulation; nobody was told: fragments are allowed, or the rate is used up.", "")     \
  X(kNoServer, "lb-no-server", "No server of the pool may get new flows.", "")                                      \
  X(kNextHopUnknown, "lb-next-hop-unknown", "The link-layer address towards the server is not known (yet).", "")    \
  X(kServicePortClosed, "lb-port-closed", "For a virtual address, but not for a port of a service.", "")            \
  X(kNewFlowLimited, "lb-new-flow-limited", "A new flow above the limits, and no Retry is possible.", "")           \
  X(kTokenRefused, "lb-token-refused", "A Retry token of ours that does not fit, or has expired.",                  \
    "draft-ietf-quic-retry-offload section 4.3")                                                                    \
  X(kIcmpRefused, "lb-icmp-refused", "An ICMP error whose quoted packet is none of a service's.", "")               \
  X(kNatPortsUsedUp, "lb-nat-ports-used-up", "All ports for translated flows are in use.", "")                      \
  X(kHealthAnswered, "lb-health-answered", "A server's answer to our question whether it is there.",                \
    "RFC 9000 section 6.1")                                                                                         \
  X(kNatStray, "lb-nat-stray", "From a server or somebody else, for no translated flow that is known.", "")

VIADUCT_DEFINE_VERDICTS(VerdictRange::kBalancer, VIADUCT_BALANCER_VERDICTS)

}  // namespace viaduct::lb
