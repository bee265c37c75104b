#include "apps/lb/retry_gate.h"

#include <array>
#include <cstring>

#include "apps/lb/nat.h"
#include "apps/lb/udp_checksum.h"
#include "crypto-offload/key_schedule.h"
#include "engine/wire/packet_header.h"
#include "flowsteer/quic_lb.h"
#include "pmd-glue/checksum.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

// The source ID of a Retry: unroutable, so that the packets that come back to it go by their addresses (QUIC-LB
// section 3.1), and as long as the draft of Retry offload asks.
constexpr size_t kRetryIdSize = 12;
constexpr uint8_t kAnswerHopLimit = 64;
constexpr size_t kMostRetry = 512;

uint64_t seconds_of(Duration duration) { return static_cast<uint64_t>(duration.ns() / 1'000'000'000); }

}  // namespace

std::optional<InitialView> read_initial(Bytes datagram) {
  if (datagram.size() < quic::kMinInitialDatagram || !(datagram[0] & 0x80)) return std::nullopt;
  const auto header = quic::parse_packet_header(datagram, 0);
  if (!header || header->type != quic::PacketType::kInitial || header->dcid.size() < 8) return std::nullopt;
  return InitialView{header->version, header->dcid, header->scid, header->token};
}

RetryGate::RetryGate(const RetryConfig& config, Random random)
    : offload_(config.keys()), lifetime_(seconds_of(config.lifetime)), random_(random) {}

void RetryGate::change(const RetryConfig& config, uint64_t seconds) {
  offload_.change(config.keys(), seconds + lifetime_);
  lifetime_ = seconds_of(config.lifetime);
}

crypto::RetryOffloadState RetryGate::check(const InitialView& initial, const SocketAddress& client,
                                           uint64_t seconds) const {
  return offload_.open(initial.token, client, initial.dcid, seconds).state;
}

std::optional<InnerPacket> RetryGate::answer(Packet& packet, const InnerPacket& inner, uint16_t ip_header,
                                             const InitialView& initial, const SocketAddress& client,
                                             const SocketAddress& service, uint64_t seconds) {
  std::array<uint8_t, kRetryIdSize> id;
  random_.fill(id);
  id[0] = flowsteer::first_octet(flowsteer::kUnroutableId, kRetryIdSize - 1);
  std::array<uint8_t, crypto::RetryOffload::kMaxToken> token;
  const size_t token_size = offload_.seal(client, initial.dcid, id, seconds + lifetime_, random_, token);
  if (token_size == 0) return std::nullopt;

  std::array<uint8_t, kMostRetry> retry;
  ByteWriter writer(retry);
  quic::write_retry(writer, initial.version, initial.scid, id, {token.data(), token_size},
                    static_cast<uint8_t>(random_.u32()));
  writer.bytes(crypto::retry_integrity_tag(initial.version, initial.dcid, writer.written()));

  uint8_t* udp = inner.ip + ip_header;
  std::memcpy(udp + net::kUdpHeader, retry.data(), writer.size());
  net::store_u16(udp + 4, static_cast<uint16_t>(net::kUdpHeader + writer.size()));
  const InnerPacket answer = translate(packet, inner, ip_header, service, client);
  const uint16_t header = answer.is_v6 ? net::kIpv6Header : net::kIpv4Header;
  if (answer.is_v6) {
    net::store_u16(answer.ip, 0x6000);
    answer.ip[7] = kAnswerHopLimit;
  } else {
    answer.ip[1] = 0;
    answer.ip[8] = kAnswerHopLimit;
    net::store_u16(answer.ip + 10, 0);
    net::store_checksum(answer.ip + 10, net::checksum_finish(net::checksum_add(0, {answer.ip, net::kIpv4Header})));
  }
  fill_udp_checksum(answer, header);
  return answer;
}

}  // namespace viaduct::lb
